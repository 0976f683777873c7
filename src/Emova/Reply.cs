using Emova.Media;

namespace Emova;

/// <summary>A finished answer.</summary>
public sealed record Reply
{
    /// <summary>What was heard; null for a typed turn.</summary>
    public string? Heard { get; init; }

    /// <summary>The emotion heard in the user's voice; null for a typed turn.</summary>
    public string? UserEmotion { get; init; }

    /// <summary>The pitch heard in the user's voice; null for a typed turn.</summary>
    public string? UserPitch { get; init; }

    /// <summary>The answer.</summary>
    public required string Text { get; init; }

    /// <summary>The emotion the model chose to answer in; null when the answer was not spoken by the dialogue.</summary>
    public string? Emotion { get; init; }

    /// <summary>The pitch the model chose to answer in; null when the answer was not spoken by the dialogue.</summary>
    public string? Pitch { get; init; }

    /// <summary>The voice style the audio was made with; null without audio.</summary>
    public string? Style { get; init; }

    /// <summary>The answer as speech units; empty without speech.</summary>
    public IReadOnlyList<int> Units { get; init; } = [];

    /// <summary>Sample of <see cref="Audio"/> at which each unit ends; repeated units end together.</summary>
    public IReadOnlyList<int> UnitEnds { get; init; } = [];

    /// <summary>The answer aloud; null without speech.</summary>
    public AudioClip? Audio { get; init; }

    /// <summary>Everything the model wrote, end token excluded.</summary>
    public required string Raw { get; init; }

    /// <summary>Tokens the model wrote.</summary>
    public int TokenCount { get; init; }

    /// <summary>How many of the units were heard, at least in part, by one who heard the first so many samples.</summary>
    public int UnitsHeard(long samples) => UnitsHeard(UnitEnds, samples);

    internal static int UnitsHeard(IReadOnlyList<int> ends, long samples)
    {
        int heard = 0;
        while (samples > 0 && heard < ends.Count && (heard == 0 || ends[heard - 1] < samples || ends[heard] == ends[heard - 1]))
            heard++;
        return heard;
    }

    /// <summary>How long it took.</summary>
    public required ReplyTimings Timings { get; init; }
}
