using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>Convolutions of the checkpoint, plain or stored as gain and direction (arXiv 1602.07868), packed for (T, C) data.</summary>
internal static class WeightNorm
{
    /// <summary>Plain convolution: <c>weight</c> (outputs, inputs, kernel) and <c>bias</c>.</summary>
    public static ConvolutionWeight Convolution(WeightLoader weights, int outputs, int inputs, int kernel, bool bias = true) =>
        weights.GetConvolution(weights.Get("weight", outputs, inputs, kernel), outputs, inputs, kernel, bias ? weights.Get("bias", outputs) : []);

    /// <summary>Weight-normed convolution: <c>weight_g</c>, <c>weight_v</c> and <c>bias</c>.</summary>
    public static ConvolutionWeight NormedConvolution(WeightLoader weights, int outputs, int inputs, int kernel) =>
        weights.GetConvolution(Fuse(weights, outputs, inputs, kernel), outputs, inputs, kernel, weights.Get("bias", outputs));

    /// <summary>g v / |v| with one gain per slice of the first axis, which for a transposed convolution is the input channel.</summary>
    public static float[] Fuse(WeightLoader weights, int first, int second, int kernel)
    {
        float[] gain = weights.Get("weight_g", first, 1, 1), direction = weights.Get("weight_v", first, second, kernel);
        for (int i = 0; i < first; i++)
        {
            Span<float> slice = direction.AsSpan(i * second * kernel, second * kernel);
            double square = 0;
            foreach (float value in slice) square += (double)value * value;
            // A direction of zeros stays zero: a checkpoint without weights (planning) must not become NaN.
            VectorMath.Scale(slice, square == 0 ? 0 : (float)(gain[i] / Math.Sqrt(square)), slice);
        }

        return direction;
    }
}
