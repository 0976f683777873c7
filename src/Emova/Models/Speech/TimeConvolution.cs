using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech;

/// <summary>The speech encoder's convolution over time of (T, C) data, with the reference's padding.</summary>
internal sealed class TimeConvolution
{
    private readonly ConvolutionWeight weight;
    private readonly int kernel;
    private readonly int stride;
    private readonly int inputs;
    private readonly int padLeft;
    private readonly int padRight;

    private TimeConvolution(ConvolutionWeight weight, int kernel, int stride, int inputs, int padLeft, int padRight) =>
        (this.weight, this.kernel, this.stride, this.inputs, this.padLeft, this.padRight) = (weight, kernel, stride, inputs, padLeft, padRight);

    public int Outputs => weight.Outputs;

    /// <summary>Reads <c>weight</c> (outputs, inputs, kernel) and <c>bias</c>, with the reference's "same" padding.</summary>
    public static TimeConvolution Load(WeightLoader weights, int inputs, int outputs, int kernel, int stride)
    {
        ConvolutionWeight packed = weights.GetConvolution(weights.Get("weight", outputs, inputs, kernel), outputs, inputs, kernel, weights.Get("bias", outputs));
        int padLeft = kernel / 2;
        // The reference imitates TensorFlow's padding, which depends on the parity of the length, but looks at the channels.
        if (stride == 2 && inputs % 2 == 0) padLeft -= 1;
        return new TimeConvolution(packed, kernel, stride, inputs, padLeft, kernel / 2);
    }

    /// <summary>Length after the convolution.</summary>
    public int OutputLength(int frames) => (frames + padLeft + padRight - kernel) / stride + 1;

    /// <summary>(T, inputs) -> (T / stride, outputs). With a kernel above 1, input from frame <paramref name="valid"/> on counts as zero.</summary>
    public float[] Forward(ReadOnlySpan<float> x, int frames, int valid)
    {
        int length = OutputLength(frames);
        float[] y = new float[length * Outputs];
        if (kernel == 1)
        {
            weight.Convolve(x, length, inputs, inputs, y, Outputs);
            return y;
        }

        float[] padded = new float[(frames + padLeft + padRight) * inputs];
        x[..(valid * inputs)].CopyTo(padded.AsSpan(padLeft * inputs));
        weight.Convolve(padded, length, stride * inputs, inputs, y, Outputs);
        return y;
    }

    /// <summary>(outputs, inputs, kernel) -> (outputs, kernel, inputs).</summary>
    public static float[] WindowMajor(ReadOnlySpan<float> stored, int outputs, int inputs, int kernel)
    {
        float[] result = new float[stored.Length];
        for (int n = 0; n < outputs; n++)
        {
            for (int c = 0; c < inputs; c++)
            {
                for (int k = 0; k < kernel; k++) result[(n * kernel + k) * inputs + c] = stored[(n * inputs + c) * kernel + k];
            }
        }

        return result;
    }
}
