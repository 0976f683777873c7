using Emova.Media;
using Emova.Models.Speech;

namespace Emova;

/// <summary>How answers sound.</summary>
public sealed record VoiceOptions
{
    /// <summary>Name of a speaker that was added to the model (<see cref="SpeechTokenizer.AddVoice"/>); null for the model's own voices.</summary>
    public string? Speaker { get; init; }

    /// <summary>One of <see cref="SpeechStyle.Genders"/>.</summary>
    public string Gender { get; init; } = "female";

    /// <summary>An emotion to speak in whatever the model chooses; null leaves the choice to the model (neutral where it makes none).</summary>
    public string? Emotion { get; init; }

    /// <summary>A pitch to speak at whatever the model chooses; null leaves the choice to the model (normal where it makes none).</summary>
    public string? Pitch { get; init; }

    /// <summary>One of <see cref="SpeechStyle.Speeds"/>; multiplies with the speed of <see cref="Dials"/>.</summary>
    public string Speed { get; init; } = "normal";

    /// <summary>A second style to move towards: a mood, pitch or voice between two; null for none.</summary>
    public SpeechStyle? BlendStyle { get; init; }

    /// <summary>How far to move from the style (0) to <see cref="BlendStyle"/> (1); up to 1.5 goes beyond it.</summary>
    public float BlendAmount { get; init; } = 0.5f;

    /// <summary>A recording to sound like, in the place of a style; needs a decoder with a style encoder.</summary>
    public AudioClip? Reference { get; init; }

    /// <summary>Emotion strength, pitch shift and speed.</summary>
    public VoiceDials Dials { get; init; } = VoiceDials.Default;

    /// <summary>Seed of the noise in the voice.</summary>
    public ulong Seed { get; init; }

    /// <summary>Always the given style.</summary>
    public static VoiceOptions Fixed(SpeechStyle style)
    {
        ArgumentNullException.ThrowIfNull(style);
        return new VoiceOptions { Gender = style.Gender, Emotion = style.Emotion, Pitch = style.Pitch, Speed = style.Speed };
    }

    /// <summary>
    /// An added speaker by name, in the register that is the speaker's own: <c>anna</c> leaves emotion and pitch to the model,
    /// <c>anna-happy-high</c> keeps to them.
    /// </summary>
    /// <returns>Null when no speaker has the name.</returns>
    public static VoiceOptions? FindSpeaker(string name, IEnumerable<Voice> speakers)
    {
        ArgumentNullException.ThrowIfNull(speakers);
        foreach (Voice speaker in speakers)
        {
            if (speaker.TryParse(name, out SpeechStyle? style))
                return (style is null ? new VoiceOptions { Gender = speaker.Gender } : Fixed(style)) with { Speaker = speaker.Name };
        }

        return null;
    }

    /// <summary>The style to speak in, given what the model chose.</summary>
    public SpeechStyle StyleFor(string? emotion, string? pitch) => new(Gender, Emotion ?? emotion ?? "neutral", Pitch ?? pitch ?? "normal", Speed);

    /// <summary>Checks the values.</summary>
    /// <exception cref="EmovaException">A value is unknown or out of range.</exception>
    public VoiceOptions Validate()
    {
        Dials.Validate();
        RequireOneOf("gender", Gender, SpeechStyle.Genders);
        RequireOneOf("emotion", Emotion, SpeechStyle.Emotions);
        RequireOneOf("pitch", Pitch, SpeechStyle.Pitches);
        RequireOneOf("speed", Speed, SpeechStyle.Speeds);
        if (!(BlendAmount is >= 0 and <= 1.5f))
            throw new EmovaException($"blend amount {BlendAmount} is out of range, allowed are 0 to 1.5");
        return this;
    }

    private static void RequireOneOf(string name, string? value, IReadOnlyList<string> allowed)
    {
        if (value is not null && !allowed.Contains(value))
            throw new EmovaException($"{name} '{value}' is unknown: expected {string.Join(", ", allowed)}");
    }
}
