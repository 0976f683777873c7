using System.Text.Json.Nodes;
using System.Threading.Channels;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using Emova.Server.Security;
using Emova.Text;
using Microsoft.Extensions.Logging;
using ChatTool = Emova.Server.Wire.ChatTool;

namespace Emova.Server.Realtime;

/// <summary>Why a session ended.</summary>
internal enum SessionEnd
{
    /// <summary>The client left.</summary>
    Left,

    /// <summary>An event was too large to read.</summary>
    TooLarge,

    /// <summary>Its time was over.</summary>
    Expired,

    /// <summary>The server stops.</summary>
    Stopping,
}

/// <summary>
/// Runs a session: events of the client and of the engine meet in one bounded inbox, which one loop works off. What is behind it, a
/// socket or a caller in this process, is its owner's business.
/// </summary>
internal sealed class RealtimeWorker : IRealtimeModel
{
    /// <summary>Most bytes of one event: an append of 15 MiB of base64 with what is around it.</summary>
    public const int LargestEvent = 16 << 20;

    private const int InboxLength = 64;

    // Of larger events only one waits at a time: a full inbox of them would be a gigabyte.
    private const int LargeEvent = 1 << 18;

    private readonly IInferenceEngine _engine;
    private readonly RealtimeOptions _options;
    private readonly GrammarCache? _grammars;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Caller? _caller;
    private readonly RealtimeSession _session;
    private readonly Channel<Input> _inbox = Channel.CreateBounded<Input>(new BoundedChannelOptions(InboxLength) { SingleReader = true });
    private readonly Dictionary<string, CancellationTokenSource> _jobs = new(StringComparer.Ordinal);
    private readonly List<Task> _running = [];
    private readonly DateTimeOffset _expires;
    private CancellationToken _stop;

    /// <param name="engine">The model.</param>
    /// <param name="options">Settings of sessions and limits.</param>
    /// <param name="grammars">Grammars of function calls; null for sessions without tools.</param>
    /// <param name="beta">Whether the client asked for the beta dialect.</param>
    /// <param name="clock">Tells when the session expires.</param>
    /// <param name="logger">Takes failures of the engine.</param>
    /// <param name="caller">Whose limits are told; null for nobody's.</param>
    /// <param name="write">Where server events go, called by the loop: the event, and its translation in the beta dialect.</param>
    public RealtimeWorker(
        IInferenceEngine engine, ServerOptions options, GrammarCache? grammars, bool beta, TimeProvider clock, ILogger logger, Caller? caller,
        Action<JsonObject?, ServerEvent> write)
    {
        (_engine, _options, _grammars, _clock, _logger, _caller) = (engine, options.Realtime, grammars, clock, logger, caller);
        _expires = clock.GetUtcNow() + TimeSpan.FromMinutes(_options.SessionMinutes);
        _session = new RealtimeSession(this, engine.Info, new RealtimeSessionOptions
        {
            ModelName = engine.Info.ModelName, Voice = _options.Voice, ExpiresAt = _expires.ToUnixTimeSeconds(), Beta = beta,
            Limits = new RealtimeLimits { Turn = TimeSpan.FromSeconds(options.Limits.MaxAudioSeconds), ImagePixels = options.Limits.MaxImagePixels, HeldBytes = _options.MaxSessionBytes },
        }, write);
    }

    /// <summary>Hands in an event of the client; waits while too many wait already.</summary>
    public async ValueTask ReceiveAsync(ReadOnlyMemory<byte> utf8, CancellationToken cancellationToken)
    {
        TaskCompletionSource? taken = utf8.Length > LargeEvent ? new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) : null;
        await PostAsync(new Input.Frame(utf8, taken), cancellationToken).ConfigureAwait(false);
        if (taken is not null)
            await taken.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells that the client sent something that is no text.</summary>
    public ValueTask ReceiveOtherAsync(CancellationToken cancellationToken) => PostAsync(new Input.NotText(), cancellationToken);

    /// <summary>Ends the session after what was handed in before.</summary>
    public ValueTask EndAsync(SessionEnd end, CancellationToken cancellationToken) => PostAsync(new Input.End(end), cancellationToken);

    /// <summary>Runs the session until it ends.</summary>
    /// <param name="afterEach">Awaited after each event; whoever sends may hold everything back there.</param>
    /// <param name="stop">Ends the session at once.</param>
    /// <param name="stopping">Ends the session once running answers are finished.</param>
    public async Task<SessionEnd> RunAsync(Func<Task> afterEach, CancellationToken stop, CancellationToken stopping)
    {
        _stop = stop;
        using CancellationTokenSource wake = CancellationTokenSource.CreateLinkedTokenSource(stop, stopping);
        // The inbox may be full at that moment: the reminder is repeated.
        using ITimer timer = _clock.CreateTimer(
            _ => _inbox.Writer.TryWrite(new Input.End(SessionEnd.Expired)), null, _expires - _clock.GetUtcNow(), TimeSpan.FromSeconds(1));
        _session.Begin();
        try
        {
            while (true)
            {
                await afterEach().ConfigureAwait(false);
                if (stopping.IsCancellationRequested && !_session.IsBusy)
                    return SessionEnd.Stopping;
                Input input;
                try
                {
                    input = await _inbox.Reader.ReadAsync(stopping.IsCancellationRequested ? stop : wake.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (stopping.IsCancellationRequested && !stop.IsCancellationRequested)
                {
                    continue;
                }

                if (Take(input) is { } end)
                    return end;
            }
        }
        finally
        {
            foreach (CancellationTokenSource job in _jobs.Values)
            {
                await job.CancelAsync().ConfigureAwait(false);
                job.Dispose();
            }

            await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (_inbox.Reader.TryRead(out Input? left))
                (left as Input.Frame)?.Taken?.TrySetCanceled(CancellationToken.None);
        }
    }

    void IRealtimeModel.Start(string job, EngineRequest request)
    {
        CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(_stop);
        _jobs.Add(job, stop);
        _running.RemoveAll(task => task.IsCompleted);
        _running.Add(RunJobAsync(job, request, stop.Token));
    }

    void IRealtimeModel.Stop(string job)
    {
        if (!_jobs.Remove(job, out CancellationTokenSource? stop))
            return;
        stop.Cancel();
        stop.Dispose();
    }

    IReadOnlyList<RateLimit> IRealtimeModel.RateLimits => _caller?.Limits() ?? [];

    ReplyGrammar? IRealtimeModel.FindCallGrammar(IReadOnlyList<ChatTool> tools, bool allowText) => _grammars?.Calls(tools, allowText, allowSeveral: true);

    VoiceOptions? IRealtimeModel.FindVoice(string name) => VoiceNames.Find(name, _engine.Info.Speakers);

    private ValueTask PostAsync(Input input, CancellationToken cancellationToken) => _inbox.Writer.WriteAsync(input, cancellationToken);

    private SessionEnd? Take(Input input)
    {
        switch (input)
        {
            case Input.Frame frame:
                _session.Receive(frame.Utf8);
                frame.Taken?.SetResult();
                return null;
            case Input.NotText:
                _session.Complain("invalid_event", "Events are text frames.");
                return null;
            case Input.Engine engine:
                _session.Tell(engine.Job, engine.Event);
                return null;
            case Input.JobEnded ended:
                if (_jobs.Remove(ended.Job, out CancellationTokenSource? stop))
                {
                    stop.Dispose();
                    _session.End(ended.Job, ended.Failure);
                }

                return null;
            case Input.End { Why: SessionEnd.TooLarge }:
                _session.Complain("invalid_event", $"An event may have at most {LargestEvent} bytes.");
                return SessionEnd.TooLarge;
            case Input.End { Why: SessionEnd.Expired }:
                _session.Complain("session_expired", $"Your session hit the maximum duration of {_options.SessionMinutes} minutes.");
                return SessionEnd.Expired;
            default:
                return SessionEnd.Left;
        }
    }

    private async Task RunJobAsync(string job, EngineRequest request, CancellationToken stop)
    {
        Exception? failure = null;
        try
        {
            // Not on the session's loop: whatever the engine does before its first wait is not the other events' business.
            await Task.Yield();
            await foreach (EngineEvent happening in _engine.RunAsync(request, stop).ConfigureAwait(false))
                await PostAsync(new Input.Engine(job, happening), stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        catch (Exception error)
        {
            failure = error;
            if (error is not (EmovaException or EngineBusyException or RateLimitException))
                ServerLog.ReplyFailed(_logger, error);
        }

        try
        {
            await PostAsync(new Input.JobEnded(job, failure), stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Stopped in the meantime: nobody waits for it.
        }
    }

    /// <summary>What the session's loop works on.</summary>
    private abstract record Input
    {
        public sealed record Frame(ReadOnlyMemory<byte> Utf8, TaskCompletionSource? Taken) : Input;

        public sealed record NotText : Input;

        public sealed record Engine(string Job, EngineEvent Event) : Input;

        public sealed record JobEnded(string Job, Exception? Failure) : Input;

        public sealed record End(SessionEnd Why) : Input;
    }
}
