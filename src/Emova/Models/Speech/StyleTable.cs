using Emova.Checkpoints;

namespace Emova.Models.Speech;

/// <summary>The style vectors of a voice (<c>styles.safetensors</c>): one per gender, emotion and pitch.</summary>
public sealed class StyleTable
{
    private readonly IReadOnlyDictionary<string, float[]> vectors;
    private readonly string source;

    /// <summary>Wraps vectors by style name (<c>female-neutral-normal</c>).</summary>
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

    /// <summary>Applies dials to a style: the vector is moved from the neutral one of the same gender and pitch towards (or
    /// beyond) the style's own by the emotion strength; speeds multiply.</summary>
    /// <exception cref="EmovaException">The voice does not have the style, or a dial is out of range.</exception>
    public VoiceSettings Resolve(SpeechStyle style, VoiceDials? dials = null)
    {
        dials ??= VoiceDials.Default;
        dials.Validate();
        float[] vector = Find(style);
        if (dials.EmotionStrength != 1f)
        {
            float[] neutral = Find(style with { Emotion = "neutral" });
            float[] mixed = new float[vector.Length];
            for (int i = 0; i < mixed.Length; i++) mixed[i] = neutral[i] + dials.EmotionStrength * (vector[i] - neutral[i]);
            vector = mixed;
        }

        return new VoiceSettings(vector, dials.PitchShift, dials.Speed * style.SpeedFactor);
    }

    private float[] Find(SpeechStyle style) => vectors.TryGetValue(style.VoiceName, out float[]? vector)
        ? vector
        : throw new EmovaException($"{source}: no style '{style.VoiceName}'; the styles are {string.Join(", ", Names)}");
}
