namespace Emova.Models.Speech;

/// <summary>
/// How something is said. Short form <c>female-happy-high</c> or <c>female-happy-high-slow</c>; the reference's long form
/// <c>gender-female_emotion-happy_speed-normal_pitch-high</c> is understood as well.
/// </summary>
/// <param name="Gender">One of <see cref="Genders"/>.</param>
/// <param name="Emotion">One of <see cref="Emotions"/>.</param>
/// <param name="Pitch">One of <see cref="Pitches"/>.</param>
/// <param name="Speed">One of <see cref="Speeds"/>.</param>
public sealed record SpeechStyle(string Gender = "female", string Emotion = "neutral", string Pitch = "normal", string Speed = "normal")
{
    /// <summary>Known voices.</summary>
    public static IReadOnlyList<string> Genders { get; } = ["female", "male"];

    /// <summary>Emotions of the reference; a voice may have fewer.</summary>
    public static IReadOnlyList<string> Emotions { get; } = ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"];

    /// <summary>Known pitches.</summary>
    public static IReadOnlyList<string> Pitches { get; } = ["low", "normal", "high"];

    /// <summary>Known speeds.</summary>
    public static IReadOnlyList<string> Speeds { get; } = ["slow", "normal", "fast"];

    /// <summary>Key of the style's vector, without the speed: <c>female-happy-high</c>.</summary>
    public string VoiceName => $"{Gender}-{Emotion}-{Pitch}";

    /// <summary>Factor of the speed name on the rate of speech.</summary>
    public float SpeedFactor => Speed switch
    {
        "slow" => 0.8f,
        "fast" => 1.25f,
        _ => 1f,
    };

    /// <summary>Reads a style name in the short or the long form; upper and lower case count the same.</summary>
    /// <exception cref="EmovaException">The name is not understood; the message lists what is.</exception>
    public static SpeechStyle Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string name = text.Trim().ToLowerInvariant();
        return name.StartsWith("gender-", StringComparison.Ordinal) ? ParseLong(text, name) : ParseShort(text, name);
    }

    /// <summary>The short form; the speed is left out when it is normal.</summary>
    public override string ToString() => Speed == "normal" ? VoiceName : $"{VoiceName}-{Speed}";

    private static SpeechStyle ParseShort(string text, string name)
    {
        string[] parts = name.Split('-');
        if (parts.Length is not (3 or 4)) throw Unknown(text);
        return new SpeechStyle(
            Choice(text, parts[0], Genders), Choice(text, parts[1], Emotions), Choice(text, parts[2], Pitches),
            parts.Length == 4 ? Choice(text, parts[3], Speeds) : "normal");
    }

    private static SpeechStyle ParseLong(string text, string name)
    {
        SpeechStyle style = new();
        HashSet<string> seen = [];
        foreach (string field in name.Split('_'))
        {
            string[] pair = field.Split('-');
            if (pair.Length != 2 || !seen.Add(pair[0])) throw Unknown(text);
            style = pair[0] switch
            {
                "gender" => style with { Gender = Choice(text, pair[1], Genders) },
                "emotion" => style with { Emotion = Choice(text, pair[1], Emotions) },
                "pitch" => style with { Pitch = Choice(text, pair[1], Pitches) },
                "speed" => style with { Speed = Choice(text, pair[1], Speeds) },
                _ => throw Unknown(text),
            };
        }

        return style;
    }

    private static string Choice(string text, string value, IReadOnlyList<string> allowed) => allowed.Contains(value) ? value : throw Unknown(text);

    private static EmovaException Unknown(string text) => new(
        $"style '{text}' is not understood; styles are GENDER-EMOTION-PITCH[-SPEED] with gender {string.Join("|", Genders)}, " +
        $"emotion {string.Join("|", Emotions)}, pitch {string.Join("|", Pitches)}, speed {string.Join("|", Speeds)}");
}
