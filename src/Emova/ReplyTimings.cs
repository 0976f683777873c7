namespace Emova;

/// <summary>Where the time of a turn went. "First" values count from the moment the turn was handed over.</summary>
public sealed record ReplyTimings
{
    /// <summary>Speech to units.</summary>
    public TimeSpan SpeechEncoding { get; init; }

    /// <summary>Vision encoder and projector.</summary>
    public TimeSpan ImageEncoding { get; init; }

    /// <summary>Reading the prompt, until the reply's first free token is known.</summary>
    public TimeSpan Prefill { get; init; }

    /// <summary>Until the first character of the answer; null when there was none.</summary>
    public TimeSpan? FirstText { get; init; }

    /// <summary>Until the first sample of audio; null without audio.</summary>
    public TimeSpan? FirstAudio { get; init; }

    /// <summary>The whole turn.</summary>
    public TimeSpan Total { get; init; }

    /// <summary>Length of the answer's audio.</summary>
    public TimeSpan AudioDuration { get; init; }

    /// <summary>Computing time divided by the length of the audio; below 1 is faster than real time. Null without audio.</summary>
    public double? RealTimeFactor => AudioDuration > TimeSpan.Zero ? Total / AudioDuration : null;
}
