using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>What the unit encoder says about a sequence of T units.</summary>
/// <param name="Hidden">States for the duration predictor (T, H).</param>
/// <param name="Mean">Mean of the prior of each unit's frames (T, C).</param>
/// <param name="LogDeviation">Logarithm of its deviation (T, C).</param>
internal sealed record EncodedUnits(float[] Hidden, float[] Mean, float[] LogDeviation);

/// <summary>
/// VITS's text encoder on speech units: post-norm transformer layers over the whole sequence, whose attention knows the relative
/// position of neighbors up to four units away, and whose feed-forward layers are convolutions.
/// </summary>
internal sealed class UnitEncoder
{
    private const float NormEpsilon = 1e-5f;

    private readonly VitsConfig config;
    private readonly float[] embedding; // (rows, H)
    private readonly Layer[] layers;
    private readonly ConvolutionWeight projection; // H -> mean, log deviation

    public UnitEncoder(WeightLoader weights, VitsConfig config)
    {
        this.config = config;
        embedding = weights.Get("emb.weight", config.VocabSize, config.HiddenChannels);
        layers = [.. Enumerable.Range(0, config.NumLayers).Select(i => new Layer(weights.Push("encoder"), i, config))];
        projection = WeightNorm.Convolution(weights.Push("proj"), 2 * config.InterChannels, config.HiddenChannels, kernel: 1);
    }

    /// <summary>Encodes a sequence.</summary>
    /// <param name="rows">Rows of the embedding table; unit u is row FirstUnitRow + u.</param>
    /// <param name="probe">Receives <c>attn0</c>, <c>ffn0</c>, <c>layer0</c>, (T, H), and <c>attn_weights0</c>, (heads, T, T), and so on.</param>
    public EncodedUnits Encode(ReadOnlySpan<int> rows, ActivationProbe? probe = null)
    {
        int width = config.HiddenChannels, channels = config.InterChannels, count = rows.Length;
        float[] x = new float[count * width];
        for (int t = 0; t < count; t++) VectorMath.Scale(embedding.AsSpan(rows[t] * width, width), MathF.Sqrt(width), x.AsSpan(t * width, width));
        for (int i = 0; i < layers.Length; i++) layers[i].Forward(x, count, i, probe);

        float[] statistics = new float[count * 2 * channels], mean = new float[count * channels], deviation = new float[count * channels];
        projection.Convolve(x, count, width, width, statistics, 2 * channels);
        for (int t = 0; t < count; t++)
        {
            statistics.AsSpan(2 * t * channels, channels).CopyTo(mean.AsSpan(t * channels));
            statistics.AsSpan((2 * t + 1) * channels, channels).CopyTo(deviation.AsSpan(t * channels));
        }

        return new EncodedUnits(x, mean, deviation);
    }

    /// <summary>Adds y to x and normalizes every row, in place.</summary>
    internal static void AddAndNorm(float[] x, ReadOnlySpan<float> y, ChannelNorm norm)
    {
        VectorMath.Add(x, y[..x.Length], x);
        norm.Apply(x);
    }

    private sealed class Layer
    {
        private readonly VitsConfig config;
        private readonly RelativeAttention attention;
        private readonly ChannelNorm attentionNorm;
        private readonly ConvolutionWeight expand;
        private readonly ConvolutionWeight contract;
        private readonly ChannelNorm feedForwardNorm;

        public Layer(WeightLoader encoder, int index, VitsConfig config)
        {
            this.config = config;
            attention = new RelativeAttention(encoder.Push("attn_layers").Push(index), config.HiddenChannels, config.NumHeads);
            attentionNorm = new ChannelNorm(encoder.Push("norm_layers_1").Push(index), config.HiddenChannels, NormEpsilon);
            WeightLoader feedForward = encoder.Push("ffn_layers").Push(index);
            expand = WeightNorm.Convolution(feedForward.Push("conv_1"), config.FilterChannels, config.HiddenChannels, config.KernelSize);
            contract = WeightNorm.Convolution(feedForward.Push("conv_2"), config.HiddenChannels, config.FilterChannels, config.KernelSize);
            feedForwardNorm = new ChannelNorm(encoder.Push("norm_layers_2").Push(index), config.HiddenChannels, NormEpsilon);
        }

        /// <summary>Changes x (T, H) in place.</summary>
        public void Forward(float[] x, int count, int index, ActivationProbe? probe)
        {
            float[] attended = attention.Forward(x, count, probe is null ? null : weights => probe($"attn_weights{index}", weights));
            probe?.Invoke($"attn{index}", attended);
            AddAndNorm(x, attended, attentionNorm);

            float[] y = Same(contract, Rectified(Same(expand, x, count)), count);
            probe?.Invoke($"ffn{index}", y);
            AddAndNorm(x, y, feedForwardNorm);
            probe?.Invoke($"layer{index}", x);
        }

        private static float[] Rectified(float[] x)
        {
            VectorMath.Relu(x, x);
            return x;
        }
    }

    /// <summary>Convolution that keeps the length; an even kernel looks further ahead than back.</summary>
    internal static float[] Same(ConvolutionWeight weight, ReadOnlySpan<float> x, int count)
    {
        int inputs = weight.Inputs;
        float[] padded = new float[(count + weight.Kernel - 1) * inputs], y = new float[count * weight.Outputs];
        x[..(count * inputs)].CopyTo(padded.AsSpan((weight.Kernel - 1) / 2 * inputs));
        weight.Convolve(padded, count, inputs, inputs, y, weight.Outputs);
        return y;
    }
}
