namespace Emova.Training.Data;

/// <summary>One of the 24 speaking styles: gender, emotion and pitch, and how flite is set to render it.</summary>
public sealed record VoiceStyle(string Gender, string Emotion, string Pitch)
{
    public static IReadOnlyList<string> Genders { get; } = ["female", "male"];

    public static IReadOnlyList<string> Emotions { get; } = ["neutral", "happy", "sad", "angry"];

    public static IReadOnlyList<string> Pitches { get; } = ["low", "normal", "high"];

    /// <summary>All 24 styles, female first.</summary>
    public static IReadOnlyList<VoiceStyle> All { get; } =
        [.. from g in Genders from e in Emotions from p in Pitches select new VoiceStyle(g, e, p)];

    /// <summary>The style spoken answers are learned in.</summary>
    public static VoiceStyle Canonical { get; } = new("female", "neutral", "normal");

    /// <summary>For example <c>female-happy-high</c>.</summary>
    public string Name => $"{Gender}-{Emotion}-{Pitch}";

    /// <summary>slt speaks the female styles; awb the male ones, because rms ignores every pitch setting.</summary>
    public string Voice => Gender == "female" ? "slt" : "awb";

    public static VoiceStyle Parse(string name) => All.FirstOrDefault(s => s.Name == name)
        ?? throw new ArgumentException($"style '{name}': not one of the 24 styles such as {Canonical.Name}");

    /// <summary>
    /// Settings after the usual findings on acted emotion: sadness low, flat, slow, soft and dull; anger fast, loud and
    /// bright; joy high and lively. Jitter of one unit varies each utterance as much as speakers do.
    /// </summary>
    public ProsodySettings Settings(double jitter, DeterministicRandom random)
    {
        (double f0, double range, double duration, double level, double shelf) = Emotion switch
        {
            "happy" => (1.20, 2.0, 0.92, 2.0, 3.0),
            "sad" => (0.88, 0.5, 1.30, -6.0, -8.0),
            "angry" => (1.04, 1.5, 0.80, 4.0, 6.0),
            _ => (1.00, 1.0, 1.00, 0.0, 0.0),
        };
        f0 *= 1 + (jitter * random.Between(-0.06, 0.06));
        range *= 1 + (jitter * random.Between(-0.2, 0.2));
        duration *= 1 + (jitter * random.Between(-0.08, 0.08));
        level += jitter * random.Between(-1.5, 1.5);
        shelf += jitter * random.Between(-2.0, 2.0);
        f0 *= Pitch switch { "low" => 0.80, "high" => 1.25, _ => 1.0 };
        (double baseF0, double deviation) = Gender == "female" ? (174.0, 34.0) : (108.0, 14.0);
        return new ProsodySettings(baseF0 * f0, deviation * range * f0, duration, level, shelf, Emotion == "angry");
    }
}

/// <summary>What one rendering sets.</summary>
/// <param name="F0Mean">Mean pitch in Hz.</param>
/// <param name="F0Deviation">Standard deviation of the pitch target in Hz.</param>
/// <param name="Duration">Stretch of every phone; above 1 is slower.</param>
/// <param name="LevelDecibels">Level relative to -20 dBFS rms.</param>
/// <param name="ShelfDecibels">Gain above 2.5 kHz.</param>
/// <param name="Drive">Whether a soft saturation roughens the voice.</param>
public sealed record ProsodySettings(
    double F0Mean, double F0Deviation, double Duration, double LevelDecibels, double ShelfDecibels, bool Drive);
