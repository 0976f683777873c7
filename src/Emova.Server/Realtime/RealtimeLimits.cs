namespace Emova.Server.Realtime;

/// <summary>Bounds on what one session may hold.</summary>
internal sealed record RealtimeLimits
{
    /// <summary>Most bytes of base64 in one <c>input_audio_buffer.append</c> (the protocol's 15 MiB).</summary>
    public int AppendBytes { get; init; } = 15 << 20;

    /// <summary>Longest turn; a longer one is ended where turns are detected, and refused where they are committed.</summary>
    public TimeSpan Turn { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Audio kept while nobody speaks, so that a turn can still be committed by hand.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most items of a conversation.</summary>
    public int Items { get; init; } = 1000;

    /// <summary>Most tools of a session.</summary>
    public int Tools { get; init; } = 128;

    /// <summary>Longest text of one field, in characters.</summary>
    public int TextLength { get; init; } = 100_000;

    /// <summary>Most width x height of a picture.</summary>
    public long ImagePixels { get; init; } = 16_000_000;

    /// <summary>Most bytes of text, sound and pictures that the items of a conversation hold.</summary>
    public long HeldBytes { get; init; } = 64 << 20;

    /// <summary>Responses outside of the conversation that may run at the same time.</summary>
    public int ParallelResponses { get; init; } = 4;
}
