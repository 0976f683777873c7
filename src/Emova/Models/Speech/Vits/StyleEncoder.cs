using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// The style encoder of Meta-StyleSpeech (arXiv 2106.03153) on linear spectrograms: a style vector of length 1 from a recording,
/// for speaking in the voice and mood of someone who is not in the style table.
/// </summary>
internal sealed class StyleEncoder
{
    private const int Kernel = 5;
    private const int Heads = 2;
    private const int TemporalLayers = 2;
    private const float SmallestNorm = 1e-12f;

    private readonly ConvolutionWeight spectral1;
    private readonly ConvolutionWeight spectral2;
    private readonly ConvolutionWeight[] temporal;
    private readonly ConvolutionWeight query;
    private readonly ConvolutionWeight key;
    private readonly ConvolutionWeight value;
    private readonly ConvolutionWeight attentionOutput;
    private readonly ConvolutionWeight output;
    private readonly int width;

    public StyleEncoder(WeightLoader weights, VitsConfig config)
    {
        width = config.HiddenChannels;
        spectral1 = Linear("spectral.0.fc", config.SpectrogramBins, width);
        spectral2 = Linear("spectral.3.fc", width, width);
        temporal = [.. Enumerable.Range(0, TemporalLayers).Select(i => WeightNorm.Convolution(weights.Push($"temporal.{i}.conv1.conv"), 2 * width, width, Kernel))];
        query = Linear("slf_attn.w_qs", width, width);
        key = Linear("slf_attn.w_ks", width, width);
        value = Linear("slf_attn.w_vs", width, width);
        attentionOutput = Linear("slf_attn.fc", width, width);
        output = Linear("fc.fc", width, config.StyleDim);

        ConvolutionWeight Linear(string name, int inputs, int outputs) => weights.GetConvolution(
            weights.Get($"{name}.weight", outputs, inputs), outputs, inputs, 1, weights.Get($"{name}.bias", outputs));
    }

    /// <summary>The style of a recording.</summary>
    /// <param name="spectrogram">Linear magnitudes (T, bins), T at least 1.</param>
    /// <param name="validFrames">Frames before the padding; all when null. The convolutions see up to four frames of padding.</param>
    public float[] Encode(ReadOnlySpan<float> spectrogram, int? validFrames = null)
    {
        int frames = spectrogram.Length / spectral1.Inputs, valid = validFrames ?? frames;
        float[] x = Apply(spectral1, spectrogram, frames);
        VectorMath.Mish(x, x);
        x = Apply(spectral2, x, frames);
        VectorMath.Mish(x, x);
        foreach (ConvolutionWeight convolution in temporal)
        {
            float[] y = UnitEncoder.Same(convolution, x, frames);
            float[] gated = new float[x.Length];
            for (int t = 0; t < frames; t++)
                VectorMath.GatedLinear(y.AsSpan(2 * t * width, width), y.AsSpan((2 * t + 1) * width, width), gated.AsSpan(t * width, width));
            VectorMath.Add(x, gated, x);
        }

        // Padding is left out from here on; the scores are divided by the root of the whole width, not of a head's.
        float[] q = Apply(query, x, valid), k = Apply(key, x, valid), v = Apply(value, x, valid), mixed = new float[valid * width];
        AttentionKernel.Full(q, width, k, width, v, width, mixed, width, valid, valid, Heads, width / Heads, 1f / MathF.Sqrt(width));
        float[] attended = Apply(attentionOutput, mixed, valid);
        VectorMath.Add(attended, x.AsSpan(0, attended.Length), attended);

        float[] styles = Apply(output, attended, valid), style = new float[output.Outputs];
        for (int t = 0; t < valid; t++) VectorMath.Add(style, styles.AsSpan(t * style.Length, style.Length), style);
        VectorMath.Scale(style, 1f / valid, style);
        VectorMath.Scale(style, 1f / MathF.Max(MathF.Sqrt(VectorMath.Dot(style, style)), SmallestNorm), style);
        return style;
    }

    /// <summary>Adds a linear layer of the style to every row of x, or nothing when there is no style.</summary>
    internal static void AddCondition(ConvolutionWeight condition, ReadOnlySpan<float> style, Span<float> x)
    {
        if (style.IsEmpty) return;
        float[] shift = new float[condition.Outputs];
        condition.Convolve(style, 1, style.Length, style.Length, shift, shift.Length);
        for (int at = 0; at < x.Length; at += shift.Length) VectorMath.Add(x.Slice(at, shift.Length), shift, x.Slice(at, shift.Length));
    }

    private static float[] Apply(ConvolutionWeight weight, ReadOnlySpan<float> x, int count)
    {
        float[] y = new float[count * weight.Outputs];
        weight.Convolve(x, count, weight.Inputs, weight.Inputs, y, weight.Outputs);
        return y;
    }
}
