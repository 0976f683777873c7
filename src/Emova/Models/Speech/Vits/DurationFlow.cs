using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// The flow of the duration predictor on two numbers per unit: an affine map, then four times a spline of the second number whose
/// shape depends on the first, and an exchange of the two.
/// </summary>
internal sealed class DurationFlow
{
    private const int Splines = 4;

    private readonly float[] shift; // ElementwiseAffine, one value per number
    private readonly float[] logScale;
    private readonly SplineCoupling[] couplings;

    public DurationFlow(WeightLoader weights, int width)
    {
        shift = weights.Get("0.m", 2, 1);
        logScale = weights.Get("0.logs", 2, 1);
        // Even entries from 2 on are the exchanges, which have no weights.
        couplings = [.. Enumerable.Range(0, Splines).Select(i => new SplineCoupling(weights.Push(2 * i + 1), width))];
    }

    /// <summary>Noise to durations or durations to noise, as the caller names the ends; changes both arrays (T).</summary>
    /// <returns>Sum of the logarithms of all slopes.</returns>
    public double Forward(ref float[] first, ref float[] second, ReadOnlySpan<float> context)
    {
        double logSlope = (double)first.Length * (logScale[0] + logScale[1]);
        for (int t = 0; t < first.Length; t++)
        {
            first[t] = shift[0] + MathF.Exp(logScale[0]) * first[t];
            second[t] = shift[1] + MathF.Exp(logScale[1]) * second[t];
        }

        foreach (SplineCoupling coupling in couplings)
        {
            logSlope += coupling.Apply(first, second, context, inverse: false);
            (first, second) = (second, first);
        }

        return logSlope;
    }

    /// <summary>The way back that the model speaks with: it leaves out the first spline, which only moves the auxiliary number.</summary>
    public void Reverse(ref float[] first, ref float[] second, ReadOnlySpan<float> context)
    {
        for (int i = couplings.Length - 1; i >= 1; i--)
        {
            (first, second) = (second, first);
            couplings[i].Apply(first, second, context, inverse: true);
        }

        (first, second) = (second, first);
        for (int t = 0; t < first.Length; t++)
        {
            first[t] = (first[t] - shift[0]) * MathF.Exp(-logScale[0]);
            second[t] = (second[t] - shift[1]) * MathF.Exp(-logScale[1]);
        }
    }

    /// <summary>One spline coupling alone.</summary>
    internal double ApplyCoupling(int index, float[] first, float[] second, ReadOnlySpan<float> context, bool inverse) =>
        couplings[index].Apply(first, second, context, inverse);

    private sealed class SplineCoupling(WeightLoader weights, int width)
    {
        private readonly ConvolutionWeight pre = WeightNorm.Convolution(weights.Push("pre"), width, 1, kernel: 1);
        private readonly SeparableConvolutions convolutions = new(weights.Push("convs"), width);
        private readonly ConvolutionWeight projection = WeightNorm.Convolution(weights.Push("proj"), RationalQuadraticSpline.Parameters, width, kernel: 1);

        /// <summary>Moves the second number of every unit.</summary>
        public double Apply(float[] first, float[] second, ReadOnlySpan<float> context, bool inverse)
        {
            int count = first.Length;
            float[] hidden = new float[count * width], parameters = new float[count * RationalQuadraticSpline.Parameters];
            pre.Convolve(first, count, 1, 1, hidden, width);
            VectorMath.Add(hidden, context, hidden);
            convolutions.Forward(hidden, count);
            projection.Convolve(hidden, count, width, width, parameters, RationalQuadraticSpline.Parameters);
            double total = 0;
            for (int t = 0; t < count; t++)
            {
                Span<float> row = parameters.AsSpan(t * RationalQuadraticSpline.Parameters, RationalQuadraticSpline.Parameters);
                Span<float> sizes = row[..(2 * RationalQuadraticSpline.Bins)];
                VectorMath.Scale(sizes, 1 / MathF.Sqrt(width), sizes);
                (double moved, double logSlope) = inverse
                    ? RationalQuadraticSpline.Inverse(row, second[t])
                    : RationalQuadraticSpline.Forward(row, second[t]);
                second[t] = (float)moved;
                total += logSlope;
            }

            return total;
        }
    }
}
