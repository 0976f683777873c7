using System.Buffers;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// What an adapter adds to a linear layer y = W x + b: LoRA (arXiv 2106.09685) y += s B A x; DoRA (arXiv 2402.09353) gives each output of
/// the changed layer the length m: y = c (W x + s B A x) + b with c = m / |W + s B A| per output.
/// </summary>
internal sealed class LowRankUpdate
{
    private readonly int _first; // output of the packed layer that this one begins with
    private readonly LinearWeight _down; // A (r, inputs)
    private readonly LinearWeight _up; // s B (outputs, r)
    private readonly float[]? _scale; // c - 1 (outputs); null for LoRA
    private readonly float[]? _shift; // (1 - c) b

    /// <param name="weight">Packed layer, of which outputs <paramref name="first"/> to first + outputs - 1 change.</param>
    /// <param name="first">First output.</param>
    /// <param name="down">A (r, inputs).</param>
    /// <param name="up">B (outputs, r).</param>
    /// <param name="rank">r.</param>
    /// <param name="scaling">s.</param>
    /// <param name="magnitudes">m (outputs) of DoRA; null for LoRA.</param>
    public LowRankUpdate(LinearWeight weight, int first, float[] down, float[] up, int rank, float scaling, float[]? magnitudes)
    {
        int outputs = up.Length / rank, inputs = weight.Inputs;
        _first = first;
        _down = LinearWeight.Pack(down, rank, inputs);
        _up = LinearWeight.Pack([.. up.Select(value => scaling * value)], outputs, rank);
        if (magnitudes is null)
            return;
        (_scale, _shift) = (new float[outputs], new float[outputs]);
        float[] row = new float[inputs];
        for (int o = 0; o < outputs; o++)
        {
            weight.CopyRow(first + o, row);
            float factor = magnitudes[o] / ChangedNorm(row, down, up.AsSpan(o * rank, rank), scaling);
            _scale[o] = factor - 1;
            _shift[o] = (1 - factor) * weight.BiasOf(first + o);
        }
    }

    /// <summary>Number of outputs that change.</summary>
    public int Outputs => _up.Outputs;

    /// <summary>Adds what the adapter changes to finished outputs.</summary>
    /// <param name="x">Inputs; row r starts at r * <paramref name="xStride"/>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="xStride">Distance of two rows.</param>
    /// <param name="y">Outputs of the packed layer; row r starts at r * <paramref name="yStride"/>.</param>
    /// <param name="yStride">Distance of two rows.</param>
    public void Apply(ReadOnlySpan<float> x, int rows, int xStride, Span<float> y, int yStride)
    {
        int rank = _down.Outputs, outputs = _up.Outputs;
        float[] inner = ArrayPool<float>.Shared.Rent(rows * rank), delta = ArrayPool<float>.Shared.Rent(rows * outputs);
        _down.Multiply(x, rows, xStride, inner, rank);
        _up.Multiply(inner, rows, rank, delta, outputs);
        for (int r = 0; r < rows; r++)
        {
            Span<float> target = y.Slice(r * yStride + _first, outputs);
            ReadOnlySpan<float> added = delta.AsSpan(r * outputs, outputs);
            VectorMath.Add(target, added, target);
            if (_scale is null)
                continue;
            for (int o = 0; o < outputs; o++)
                target[o] += _scale[o] * target[o] + _shift![o];
        }

        ArrayPool<float>.Shared.Return(inner);
        ArrayPool<float>.Shared.Return(delta);
    }

    /// <summary>Changes a row of W for good: (W + s B A) of that output, made |m| long for DoRA.</summary>
    /// <param name="row">W of one output (inputs), changed in place.</param>
    /// <param name="down">A (r, inputs).</param>
    /// <param name="up">B of that output (r).</param>
    /// <param name="scaling">s.</param>
    /// <param name="magnitude">m of that output; null for LoRA.</param>
    public static void Merge(Span<float> row, ReadOnlySpan<float> down, ReadOnlySpan<float> up, float scaling, float? magnitude)
    {
        double squares = 0;
        for (int i = 0; i < row.Length; i++)
        {
            double value = row[i];
            for (int k = 0; k < up.Length; k++)
                value += (double)scaling * up[k] * down[k * row.Length + i];
            row[i] = (float)value;
            squares += value * value;
        }

        if (magnitude is not { } length)
            return;
        float factor = (float)(length / Math.Sqrt(squares));
        for (int i = 0; i < row.Length; i++)
            row[i] *= factor;
    }

    private static float ChangedNorm(float[] row, float[] down, ReadOnlySpan<float> up, float scaling)
    {
        Merge(row, down, up, scaling, magnitude: null);
        double squares = 0;
        foreach (float value in row)
            squares += (double)value * value;
        return (float)Math.Sqrt(squares);
    }
}
