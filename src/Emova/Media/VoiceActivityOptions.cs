namespace Emova.Media;

/// <summary>When <see cref="VoiceActivityDetector"/> says that somebody begins and ends to speak.</summary>
public sealed record VoiceActivityOptions
{
    /// <summary>Speech probability from which on a frame counts as speech, 0 to 1. Higher needs louder, clearer speech.</summary>
    public float Threshold { get; init; } = 0.5f;

    /// <summary>Audio kept from before the first sound of speech, in ms, 0 to 10000.</summary>
    public int PrefixPaddingMs { get; init; } = 300;

    /// <summary>Silence that ends a turn, in ms, 50 to 60000.</summary>
    public int SilenceDurationMs { get; init; } = 500;

    /// <summary>Checks the values.</summary>
    /// <exception cref="EmovaException">A value is out of range.</exception>
    public VoiceActivityOptions Validate()
    {
        if (!(Threshold is >= 0 and <= 1))
            throw new EmovaException($"voice activity threshold {Threshold} is out of range, allowed are 0 to 1");
        if (PrefixPaddingMs is < 0 or > 10_000)
            throw new EmovaException($"prefix padding {PrefixPaddingMs} ms is out of range, allowed are 0 to 10000");
        if (SilenceDurationMs is < 50 or > 60_000)
            throw new EmovaException($"silence duration {SilenceDurationMs} ms is out of range, allowed are 50 to 60000");
        return this;
    }
}
