using Emova.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Emova.Server.Security;

/// <summary>Who asks, a key's name or an address, and what that caller may still use.</summary>
internal sealed class Caller(string name, LimitOptions limits, TimeProvider time)
{
    private readonly Budget _requests = new(limits.RequestsPerMinute, time);
    private readonly Budget _audio = new(limits.AudioSecondsPerMinute, time);
    private int _running;

    public string Name { get; } = name;

    /// <summary>Requests and live sessions at this moment.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>When the caller was last seen, by the clock's timestamps.</summary>
    public long LastSeen { get; private set; }

    /// <summary>Begins a request; the result ends it.</summary>
    /// <exception cref="ApiException">There are too many.</exception>
    public IDisposable Enter()
    {
        LastSeen = time.GetTimestamp();
        if (_requests.TryTake(1) is { Ticks: > 0 } wait)
            throw ApiException.TooMany($"Rate limit reached: {limits.RequestsPerMinute} requests a minute.", wait);
        if (Interlocked.Increment(ref _running) > limits.ConcurrentRequests)
        {
            Interlocked.Decrement(ref _running);
            throw ApiException.TooMany($"Rate limit reached: {limits.ConcurrentRequests} requests at the same time.", TimeSpan.FromSeconds(1));
        }

        return new Visit(this);
    }

    /// <summary>Counts an answer in a live session, which is as much work as a request.</summary>
    /// <exception cref="RateLimitException">There were too many.</exception>
    public void TakeAnswer()
    {
        if (_requests.TryTake(1) is { Ticks: > 0 } wait)
            throw new RateLimitException($"Rate limit reached: {limits.RequestsPerMinute} requests a minute; try again in {Math.Ceiling(wait.TotalSeconds)} s.");
    }

    /// <summary>The limits that there are.</summary>
    public IReadOnlyList<RateLimit> Limits()
    {
        if (limits.RequestsPerMinute == 0)
            return [];
        (double left, TimeSpan reset) = _requests.Look();
        return [new RateLimit("requests", limits.RequestsPerMinute, (int)left, reset)];
    }

    /// <summary>Uses seconds of audio that came in.</summary>
    /// <exception cref="ApiException">The caller has used up this minute's.</exception>
    public void TakeAudio(TimeSpan duration)
    {
        if (TryTakeAudio(duration) is { Ticks: > 0 } wait)
            throw ApiException.TooMany($"Rate limit reached: {limits.AudioSecondsPerMinute} seconds of audio a minute.", wait);
    }

    /// <summary>Uses seconds of audio that came in.</summary>
    /// <returns>Zero, or how long to wait until that much may be used.</returns>
    public TimeSpan TryTakeAudio(TimeSpan duration) => duration > TimeSpan.Zero ? _audio.TryTake(duration.TotalSeconds) : TimeSpan.Zero;

    /// <summary>Counts seconds of audio that went out.</summary>
    public void ChargeAudio(TimeSpan duration) => _audio.Charge(duration.TotalSeconds);

    /// <summary>The caller of a request behind <see cref="AccessMiddleware"/>.</summary>
    public static Caller Of(HttpContext context) => (Caller)context.Items[typeof(Caller)]!;

    private sealed class Visit(Caller caller) : IDisposable
    {
        private Caller? _caller = caller;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _caller, null) is { } left)
                Interlocked.Decrement(ref left._running);
        }
    }
}
