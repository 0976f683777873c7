using Emova.Checkpoints;

namespace Emova.Models.Language;

/// <summary>
/// Stretches the rotary frequencies of a model beyond the context it was first trained with.
/// <c>linear</c> divides all of them; <c>llama3</c> (LLaMA-3.1) keeps the fast ones, divides the slow ones and blends between;
/// <c>yarn</c> (arXiv 2309.00071, in DeepSeek-V2's form) does so by dimension and also sharpens the attention.
/// </summary>
public sealed record RopeScaling
{
    /// <summary>linear, llama3 or yarn.</summary>
    public required string Type { get; init; }

    /// <summary>How much longer the context became.</summary>
    public required double Factor { get; init; }

    /// <summary>llama3: waves longer than the original context divided by this are slow.</summary>
    public double LowFreqFactor { get; init; } = 1;

    /// <summary>llama3: waves shorter than the original context divided by this are fast.</summary>
    public double HighFreqFactor { get; init; } = 4;

    /// <summary>Positions of the first training.</summary>
    public int OriginalMaxPositionEmbeddings { get; init; } = 4096;

    /// <summary>yarn: turns within the original context above which a frequency is kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>yarn: turns below which a frequency is divided.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>yarn: strength of the factor on sines and cosines.</summary>
    public double MScale { get; init; } = 1;

    /// <summary>yarn: strength of the factor on the attention scores.</summary>
    public double MScaleAllDim { get; init; }

    /// <summary>Reads <c>rope_scaling</c>; null when it is absent or of type <c>default</c>.</summary>
    /// <param name="section">The keys of the language model.</param>
    /// <param name="allowed">The types this kind of decoder knows.</param>
    /// <exception cref="EmovaException">A value is missing, out of range or not supported.</exception>
    internal static RopeScaling? Read(ConfigSection section, params ReadOnlySpan<string> allowed)
    {
        if (!section.Has("rope_scaling"))
            return null;
        ConfigSection scaling = section.Section("rope_scaling");
        string type = scaling.Text(scaling.Has("rope_type") ? "rope_type" : "type", null, ["default", .. allowed]);
        if (type == "default")
            return null;
        RopeScaling result = new()
        {
            Type = type,
            Factor = scaling.Number("factor", 1, 1e6),
            LowFreqFactor = scaling.Number("low_freq_factor", 1e-6, 1e6, 1),
            HighFreqFactor = scaling.Number("high_freq_factor", 1e-6, 1e6, 4),
            OriginalMaxPositionEmbeddings = scaling.WholeNumber("original_max_position_embeddings", 1, 1 << 24, type == "llama3" ? 8192 : 4096),
            BetaFast = scaling.Number("beta_fast", 1e-6, 1e6, 32),
            BetaSlow = scaling.Number("beta_slow", 1e-6, 1e6, 1),
            MScale = scaling.Number("mscale", 0, 1e6, 1),
            MScaleAllDim = scaling.Number("mscale_all_dim", 0, 1e6, 0),
        };
        if (type == "llama3" && result.HighFreqFactor <= result.LowFreqFactor)
            throw new EmovaException($"language configuration: rope_scaling.high_freq_factor {result.HighFreqFactor} must be above low_freq_factor {result.LowFreqFactor}");
        return result;
    }

    /// <summary>Factor on sines and cosines.</summary>
    internal float RotaryScale => Type == "yarn" ? (float)(YarnScale(MScale) / YarnScale(MScaleAllDim)) : 1;

    /// <summary>Factor on the attention scores.</summary>
    internal float ScoreScale => Type == "yarn" && MScaleAllDim != 0 ? (float)(YarnScale(MScaleAllDim) * YarnScale(MScaleAllDim)) : 1;

    /// <summary>Changes unscaled frequencies in place; float32 steps as in the reference.</summary>
    /// <param name="frequencies">From <see cref="RotaryEmbedding.InverseFrequencies"/>.</param>
    /// <param name="theta">Base of the frequencies.</param>
    internal void Apply(Span<float> frequencies, double theta)
    {
        (int low, int high) = YarnRange(2 * frequencies.Length, theta);
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Type switch
            {
                "llama3" => Llama3(frequencies[i]),
                "yarn" => Blend(frequencies[i], Math.Clamp((i - low) / (high == low ? 0.001f : high - low), 0, 1)),
                _ => frequencies[i] / (float)Factor,
            };
        }
    }

    private float Llama3(float frequency)
    {
        float wavelength = 2 * MathF.PI / frequency, original = OriginalMaxPositionEmbeddings;
        if (wavelength < original / (float)HighFreqFactor)
            return frequency;
        float divided = frequency / (float)Factor;
        if (wavelength > original / (float)LowFreqFactor)
            return divided;
        float kept = (original / wavelength - (float)LowFreqFactor) / (float)(HighFreqFactor - LowFreqFactor);
        return (1 - kept) * divided + kept * frequency;
    }

    /// <summary><paramref name="divided"/> 0: the frequency itself; 1: divided by the factor.</summary>
    private float Blend(float frequency, float divided) => frequency / (float)Factor * divided + frequency * (1 - divided);

    /// <summary>The dimensions between which yarn blends.</summary>
    private (int Low, int High) YarnRange(int dimensions, double theta)
    {
        double DimensionOf(double turns) =>
            dimensions * Math.Log(OriginalMaxPositionEmbeddings / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
        return ((int)Math.Max(Math.Floor(DimensionOf(BetaFast)), 0), (int)Math.Min(Math.Ceiling(DimensionOf(BetaSlow)), dimensions - 1));
    }

    private double YarnScale(double strength) => Factor <= 1 ? 1 : 0.1 * strength * Math.Log(Factor) + 1;
}
