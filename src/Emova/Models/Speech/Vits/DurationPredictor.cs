using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>VITS's deterministic duration predictor (<c>use_sdp</c> false): two convolutions with norms and a linear layer.</summary>
internal sealed class DurationPredictor : IDurationPredictor
{
    private const int FilterChannels = 256;
    private const int Kernel = 3;
    private const float NormEpsilon = 1e-5f;

    private readonly ConvolutionWeight condition;
    private readonly ConvolutionWeight convolution1;
    private readonly ChannelNorm norm1;
    private readonly ConvolutionWeight convolution2;
    private readonly ChannelNorm norm2;
    private readonly ConvolutionWeight projection;

    public DurationPredictor(WeightLoader weights, VitsConfig config)
    {
        condition = WeightNorm.Convolution(weights.Push("cond"), config.HiddenChannels, config.StyleDim, kernel: 1);
        convolution1 = WeightNorm.Convolution(weights.Push("conv_1"), FilterChannels, config.HiddenChannels, Kernel);
        norm1 = new ChannelNorm(weights.Push("norm_1"), FilterChannels, NormEpsilon);
        convolution2 = WeightNorm.Convolution(weights.Push("conv_2"), FilterChannels, FilterChannels, Kernel);
        norm2 = new ChannelNorm(weights.Push("norm_2"), FilterChannels, NormEpsilon);
        projection = WeightNorm.Convolution(weights.Push("proj"), 1, FilterChannels, kernel: 1);
    }

    /// <inheritdoc/>
    public float[] LogDurations(ReadOnlySpan<float> hidden, ReadOnlySpan<float> style, ReadOnlySpan<float> noise)
    {
        int width = condition.Outputs, count = hidden.Length / width;
        float[] x = hidden.ToArray();
        StyleEncoder.AddCondition(condition, style, x);
        float[] y = Block(convolution1, norm1, x, count);
        y = Block(convolution2, norm2, y, count);
        float[] logDurations = new float[count];
        projection.Convolve(y, count, FilterChannels, FilterChannels, logDurations, 1);
        return logDurations;
    }

    private static float[] Block(ConvolutionWeight convolution, ChannelNorm norm, float[] x, int count)
    {
        float[] y = UnitEncoder.Same(convolution, x, count);
        VectorMath.Relu(y, y);
        norm.Apply(y);
        return y;
    }
}
