using Emova.Checkpoints;

namespace Emova.Models.Speech;

/// <summary>
/// The style vectors of a voice: one per gender, emotion and pitch, and per speed where they were made for each (the 126 of the
/// published speech tokenizer); a table without speeds leaves them to the decoder.
/// </summary>
public sealed class StyleTable
{
    private readonly IReadOnlyDictionary<string, float[]> vectors;
    private readonly string source;

    /// <summary>Wraps vectors by style name (<c>female-neutral-normal</c>, <c>female-neutral-normal-fast</c>).</summary>
    /// <param name="vectors">Style name to vector.</param>
    /// <param name="source">Where they come from, for messages.</param>
    public StyleTable(IReadOnlyDictionary<string, float[]> vectors, string source = "style table") => (this.vectors, this.source) = (vectors, source);

    /// <summary>Names of the styles, sorted.</summary>
    public IReadOnlyList<string> Names => [.. vectors.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Reads the vectors of a model folder.</summary>
    /// <param name="folder">The model.</param>
    /// <param name="dimension">Length S of a vector.</param>
    /// <exception cref="EmovaException">A vector has another length.</exception>
    public static StyleTable Load(ModelFolder folder, int dimension) =>
        new(folder.ReadStyles(dimension), Path.Combine(folder.Path, "styles.safetensors"));

    /// <summary>Reads the table of the published speech tokenizer.</summary>
    /// <param name="names">Condition, in the reference's long form, to row.</param>
    /// <param name="rows">(styles, S).</param>
    /// <param name="dimension">Length S of a vector.</param>
    /// <exception cref="EmovaException">A condition is not understood, or its row does not exist.</exception>
    internal static StyleTable Read(ConfigSection names, ReadOnlySpan<float> rows, int dimension)
    {
        int count = rows.Length / dimension;
        Dictionary<string, float[]> vectors = new(StringComparer.Ordinal);
        foreach (string name in names.Json.EnumerateObject().Select(entry => entry.Name))
            vectors[SpeechStyle.Parse(name).ToString()] = rows.Slice(names.WholeNumber(name, 0, count - 1) * dimension, dimension).ToArray();
        return new StyleTable(vectors, "u2s_style2idx");
    }

    /// <summary>Applies dials to a style: the vector is moved from the neutral one of the same gender and pitch towards (or
    /// beyond) the style's own by the emotion strength; speeds multiply.</summary>
    /// <exception cref="EmovaException">The voice does not have the style, or a dial is out of range.</exception>
    public VoiceSettings Resolve(SpeechStyle style, VoiceDials? dials = null)
    {
        dials ??= VoiceDials.Default;
        dials.Validate();
        float[] vector = Find(style, out bool hasSpeed);
        if (dials.EmotionStrength != 1f) vector = Mix(Find(style with { Emotion = "neutral" }, out _), vector, dials.EmotionStrength);
        return new VoiceSettings(vector, dials.PitchShift, dials.Speed * (hasSpeed ? 1 : style.SpeedFactor));
    }

    /// <summary>from + amount * (to - from).</summary>
    internal static float[] Mix(float[] from, float[] to, float amount)
    {
        float[] mixed = new float[to.Length];
        for (int i = 0; i < mixed.Length; i++) mixed[i] = from[i] + amount * (to[i] - from[i]);
        return mixed;
    }

    /// <summary>The vector of a style; whether it has the style's speed in it.</summary>
    private float[] Find(SpeechStyle style, out bool hasSpeed)
    {
        hasSpeed = vectors.TryGetValue(style.ToString(), out float[]? vector);
        return hasSpeed || vectors.TryGetValue(style.VoiceName, out vector)
            ? vector!
            : throw new EmovaException($"{source}: no style '{style.VoiceName}'; the styles are {string.Join(", ", Names)}");
    }
}
