using System.Runtime.Intrinsics;
using Emova.Numerics;

namespace Emova.Models;

/// <summary>
/// Rotary position embedding. Pairs of a head are elements i and i + headDim / 2 (half rotation), or neighbors in DeepSeek-V2.
/// </summary>
internal static class RotaryEmbedding
{
    private const long ParallelThreshold = 1L << 15;

    /// <summary>theta^(-2 i / dimensions) for i = 0 .. dimensions / 2 - 1, rounded as the reference's float32 computation.</summary>
    public static float[] InverseFrequencies(int dimensions, double theta)
    {
        float[] frequencies = new float[dimensions / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = 1f / (float)Math.Pow(theta, 2f * i / dimensions);
        return frequencies;
    }

    /// <summary>Rotates consecutive heads in place.</summary>
    /// <param name="heads">One or more heads of 2 * <c>cos.Length</c> values.</param>
    /// <param name="cos">Cosines of the angles of the head's pairs.</param>
    /// <param name="sin">Sines of the same angles.</param>
    public static void Rotate(Span<float> heads, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        int half = cos.Length;
        for (int start = 0; start < heads.Length; start += 2 * half)
        {
            Span<float> low = heads.Slice(start, half), high = heads.Slice(start + half, half);
            int i = 0;
            for (; i + Vector256<float>.Count <= half; i += Vector256<float>.Count)
            {
                Vector256<float> c = Vector256.Create(cos[i..]), s = Vector256.Create(sin[i..]), x = Vector256.Create(low[i..]), y = Vector256.Create(high[i..]);
                (x * c - y * s).CopyTo(low[i..]);
                (y * c + x * s).CopyTo(high[i..]);
            }

            for (; i < low.Length; i++)
            {
                (float a, float b) = (low[i], high[i]);
                low[i] = a * cos[i] - b * sin[i];
                high[i] = b * cos[i] + a * sin[i];
            }
        }
    }

    /// <summary>Rotates the first values of every row, each by its own angles, by all threads where it pays.</summary>
    /// <param name="values">Row r starts at r * <paramref name="stride"/>.</param>
    /// <param name="stride">Distance of two rows.</param>
    /// <param name="width">Values to rotate of a row: whole heads.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="cos">(rows, <paramref name="half"/>).</param>
    /// <param name="sin">(rows, <paramref name="half"/>).</param>
    /// <param name="half">Pairs of a head.</param>
    public static void RotateRows(float[] values, int stride, int width, int rows, float[] cos, float[] sin, int half)
    {
        RowsBody body = new() { Values = values, Stride = stride, Width = width, Cos = cos, Sin = sin, Half = half };
        if ((long)rows * width < ParallelThreshold) body.Execute(0, rows);
        else WorkerTeam.Shared.For(rows, body, minimumChunk: 4);
    }

    /// <summary>Rotates neighboring elements of one head in place.</summary>
    /// <param name="head">2 * <c>cos.Length</c> values.</param>
    /// <param name="cos">Cosines of the angles of the head's pairs.</param>
    /// <param name="sin">Sines of the same angles.</param>
    public static void RotatePairs(Span<float> head, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        for (int i = 0; i < cos.Length; i++)
        {
            (float a, float b) = (head[2 * i], head[2 * i + 1]);
            head[2 * i] = a * cos[i] - b * sin[i];
            head[2 * i + 1] = b * cos[i] + a * sin[i];
        }
    }

    private struct RowsBody : IWorkerBody
    {
        public float[] Values;
        public int Stride;
        public int Width;
        public float[] Cos;
        public float[] Sin;
        public int Half;

        public readonly void Execute(int start, int limit)
        {
            for (int r = start; r < limit; r++) Rotate(Values.AsSpan(r * Stride, Width), Cos.AsSpan(r * Half, Half), Sin.AsSpan(r * Half, Half));
        }
    }
}
