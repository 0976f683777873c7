using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// Three residual layers of a dilated depthwise and a pointwise convolution, each followed by a norm and GELU (VITS's
/// "dilated and depth-separable convolution"). The dilations are powers of the kernel.
/// </summary>
internal sealed class SeparableConvolutions
{
    private const int Kernel = 3;
    private const int LayerCount = 3;
    private const float NormEpsilon = 1e-5f;

    private readonly Layer[] layers;
    private readonly int width;

    public SeparableConvolutions(WeightLoader weights, int width)
    {
        this.width = width;
        layers = [.. Enumerable.Range(0, LayerCount).Select(i => new Layer(weights, i, width))];
    }

    /// <summary>Changes x (T, C) in place.</summary>
    public void Forward(float[] x, int count)
    {
        float[] y = new float[x.Length], z = new float[x.Length];
        foreach (Layer layer in layers)
        {
            layer.Depthwise(x, count, y);
            layer.Norm1.Apply(y);
            VectorMath.Gelu(y, y);
            layer.Pointwise.Convolve(y, count, width, width, z, width);
            layer.Norm2.Apply(z);
            VectorMath.Gelu(z, z);
            VectorMath.Add(x, z, x);
        }
    }

    private sealed class Layer
    {
        private readonly float[] taps; // (kernel, C)
        private readonly float[] bias;
        private readonly int dilation = 1;
        private readonly int width;

        public Layer(WeightLoader weights, int index, int width)
        {
            this.width = width;
            for (int i = 0; i < index; i++) dilation *= Kernel;
            WeightLoader depthwise = weights.Push("convs_sep").Push(index);
            taps = TimeConvolution.WindowMajor(depthwise.Get("weight", width, 1, Kernel), 1, width, Kernel);
            bias = depthwise.Get("bias", width);
            Pointwise = WeightNorm.Convolution(weights.Push("convs_1x1").Push(index), width, width, kernel: 1);
            Norm1 = new ChannelNorm(weights.Push("norms_1").Push(index), width, NormEpsilon);
            Norm2 = new ChannelNorm(weights.Push("norms_2").Push(index), width, NormEpsilon);
        }

        public ConvolutionWeight Pointwise { get; }

        public ChannelNorm Norm1 { get; }

        public ChannelNorm Norm2 { get; }

        /// <summary>x (T, C) -> y (T, C), zeros beyond both ends.</summary>
        public void Depthwise(ReadOnlySpan<float> x, int count, float[] y)
        {
            for (int t = 0; t < count; t++)
            {
                Span<float> row = y.AsSpan(t * width, width);
                bias.CopyTo(row);
                for (int k = 0; k < Kernel; k++)
                {
                    int source = t + (k - Kernel / 2) * dilation;
                    if (source >= 0 && source < count) VectorMath.MultiplyAdd(x.Slice(source * width, width), taps.AsSpan(k * width, width), row);
                }
            }
        }
    }
}
