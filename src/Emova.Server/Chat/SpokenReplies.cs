using System.Security.Cryptography;

namespace Emova.Server.Chat;

/// <summary>Spoken replies that a later request may refer to by id, for an hour and within bounds.</summary>
internal sealed class SpokenReplies(TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private const int MaxReplies = 10_000;
    private const long MaxCharacters = 32 << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _replies = [];
    private readonly Queue<(string Id, DateTimeOffset Expires)> _order = [];
    private long _characters;

    /// <summary>A new id and the time until which it is known.</summary>
    public (string Id, DateTimeOffset Expires) Reserve() => ("audio_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)), time.GetUtcNow() + Lifetime);

    public void Keep(string id, DateTimeOffset expires, string raw)
    {
        lock (_lock)
        {
            _replies[id] = raw;
            _order.Enqueue((id, expires));
            _characters += raw.Length;
            while (_order.Count > 0 && (_order.Peek().Expires < time.GetUtcNow() || _order.Count > MaxReplies || _characters > MaxCharacters))
            {
                _replies.Remove(_order.Dequeue().Id, out string? old);
                _characters -= old?.Length ?? 0;
            }
        }
    }

    /// <summary>What the model wrote; null when the id is unknown or has expired.</summary>
    public string? Find(string id)
    {
        lock (_lock)
        {
            while (_order.Count > 0 && _order.Peek().Expires < time.GetUtcNow())
            {
                _replies.Remove(_order.Dequeue().Id, out string? old);
                _characters -= old?.Length ?? 0;
            }

            return _replies.GetValueOrDefault(id);
        }
    }
}
