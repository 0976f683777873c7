using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>LayerNorm or RMSNorm over the channels of (T, C) data, with its weights.</summary>
internal sealed class VisionNorm
{
    private readonly float[] weight;
    private readonly float[]? bias; // null for RMSNorm
    private readonly float epsilon;

    private VisionNorm(float[] weight, float[]? bias, float epsilon) => (this.weight, this.bias, this.epsilon) = (weight, bias, epsilon);

    /// <summary>Reads <c>name.weight</c> and <c>name.bias</c>, both (C).</summary>
    public static VisionNorm LayerNorm(WeightLoader weights, string name, int width, float epsilon) =>
        new(weights.Get($"{name}.weight", width), weights.Get($"{name}.bias", width), epsilon);

    /// <summary>Reads <c>name.weight</c> (C).</summary>
    public static VisionNorm RmsNorm(WeightLoader weights, string name, int width, float epsilon) =>
        new(weights.Get($"{name}.weight", width), null, epsilon);

    /// <summary>Normalizes every row; x and y may be the same.</summary>
    /// <param name="x">Rows of C values.</param>
    /// <param name="y">As x.</param>
    public void Rows(ReadOnlySpan<float> x, Span<float> y)
    {
        for (int start = 0; start < x.Length; start += weight.Length)
            Row(x.Slice(start, weight.Length), y.Slice(start, weight.Length));
    }

    /// <summary>Normalizes one row; x and y may be the same.</summary>
    public void Row(ReadOnlySpan<float> x, Span<float> y)
    {
        if (bias is null)
            VectorMath.RmsNorm(x, weight, epsilon, y);
        else
            VectorMath.LayerNorm(x, weight, bias, epsilon, y);
    }
}
