namespace Emova.Server.Realtime;

/// <summary>Settings of live sessions.</summary>
public sealed class RealtimeOptions
{
    /// <summary>Sessions at the same time, 1 to 10000; more are refused with status 503.</summary>
    public int MaxSessions { get; set; } = 64;

    /// <summary>Longest session in minutes, 1 to 1440.</summary>
    public int SessionMinutes { get; set; } = 60;

    /// <summary>Voice of sessions that do not ask for one: female, male, or a style such as <c>female-happy-high</c>.</summary>
    public string Voice { get; set; } = "female";

    /// <summary>Bytes that may wait for a client that reads slowly, 65536 to 1 GiB; then its answers are made no further.</summary>
    public long MaxQueuedBytes { get; set; } = 4 << 20;

    /// <summary>Seconds a client may read nothing while bytes wait for it, 1 to 3600; then it is disconnected.</summary>
    public int StallSeconds { get; set; } = 30;

    /// <summary>Seconds between two pings, 1 to 3600; a client that leaves one unanswered as long is disconnected.</summary>
    public int PingSeconds { get; set; } = 20;

    /// <summary>
    /// Bytes of text, sound and pictures that one conversation may hold, 1 MiB to 64 GiB. Sound that was heard is kept for
    /// <c>conversation.item.retrieve</c> only and makes room for what is new; then items are refused.
    /// </summary>
    public long MaxSessionBytes { get; set; } = 64 << 20;
}
