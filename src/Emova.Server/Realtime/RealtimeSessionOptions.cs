namespace Emova.Server.Realtime;

/// <summary>How a session begins.</summary>
internal sealed record RealtimeSessionOptions
{
    /// <summary>The model's name in the protocol.</summary>
    public required string ModelName { get; init; }

    /// <summary>The voice unless the client wants another one.</summary>
    public string Voice { get; init; } = "female";

    /// <summary>When it ends, in seconds since 1970.</summary>
    public long ExpiresAt { get; init; }

    /// <summary>Whether the client asked for the names before the general availability.</summary>
    public bool Beta { get; init; }

    public RealtimeLimits Limits { get; init; } = new();

    public RealtimeIds Ids { get; init; } = new();
}
