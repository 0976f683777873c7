using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>
/// The input of a product with integer weights: each block of 32 values of a row becomes int8 codes times one scale. Rows lie in tiles
/// of <see cref="TileRows"/> (one row alone in a tile of 1), a tile being one forward stream of records: per block the codes of its
/// rows, [row][32] bytes, then a float scale per row, then an int start value per row, -offset times the sum of the row's codes. The
/// stored weights are the true ones plus that offset, so a sum that begins there needs no further correction.
/// </summary>
internal sealed unsafe class QuantizedRows
{
    public const int TileRows = 4;

    private const int BytesPerRow = WeightLayout.BlockInputs + sizeof(float) + sizeof(int);
    private const long ParallelThreshold = 1L << 15;

    // Below this the reciprocal of a scale would overflow; such a block is as good as zero.
    private const float Smallest = 1e-30f;

    [ThreadStatic]
    private static QuantizedRows? scratch;

    private byte[] bytes = [];

    private QuantizedRows()
    {
    }

    /// <summary>The first tile.</summary>
    public byte* Pointer { get; private set; }

    /// <summary>Bytes from tile to tile.</summary>
    public nint TileStride { get; private set; }

    /// <summary>Bytes of the record of one block: 40 per row.</summary>
    public static int RecordBytes(int tileRows) => tileRows * BytesPerRow;

    /// <summary>Blocks of a row; weights have an even number of them.</summary>
    public static int Blocks(int inputs) => WeightLayout.Records(inputs) * 2;

    /// <summary>Bytes of the buffer for a product.</summary>
    public static long SizeInBytes(int rows, int inputs)
    {
        int tileRows = rows == 1 ? 1 : TileRows;
        return (rows + tileRows - 1L) / tileRows * RecordBytes(tileRows) * Blocks(inputs);
    }

    /// <summary>Converts rows into the buffer of this thread, which is valid until its next product.</summary>
    /// <param name="x">Row r starts at x + r * stride.</param>
    /// <param name="rows">Number of rows, at least 1.</param>
    /// <param name="stride">Distance of two rows in floats.</param>
    /// <param name="inputs">Values of a row.</param>
    /// <param name="offset">What the weights' codes have been raised by.</param>
    /// <param name="isGated">The values are silu(x[i]) * x[inputs + i].</param>
    /// <param name="team">Threads to use.</param>
    public static QuantizedRows From(float* x, int rows, nint stride, int inputs, int offset, bool isGated, WorkerTeam team)
    {
        QuantizedRows result = scratch ??= new QuantizedRows();
        result.Reserve(SizeInBytes(rows, inputs));
        Body body = new(x, rows, stride, inputs, offset, isGated, result.Pointer);
        result.TileStride = body.TileStride;
        if ((long)rows * inputs < ParallelThreshold) body.Execute(0, body.Tiles);
        else team.For(body.Tiles, body);
        return result;
    }

    /// <summary>As <see cref="From"/>, into memory of <see cref="SizeInBytes"/> bytes.</summary>
    public static void Write(float* x, int rows, nint stride, int inputs, int offset, byte* target)
    {
        Body body = new(x, rows, stride, inputs, offset, isGated: false, target);
        body.Execute(0, body.Tiles);
    }

    private void Reserve(long size)
    {
        if (bytes.Length >= size)
            return;
        bytes = GC.AllocateUninitializedArray<byte>(checked((int)size), pinned: true);
        Pointer = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0);
    }

    /// <summary>Codes, scale and start value of up to 32 values; what is missing counts as zero.</summary>
    internal static void QuantizeBlock(ReadOnlySpan<float> values, int offset, sbyte* codes, out float scale, out int start)
    {
        Vector256<float> a, b, c, d;
        if (values.Length == WeightLayout.BlockInputs)
        {
            (a, b, c, d) = (Vector256.Create(values), Vector256.Create(values[8..]), Vector256.Create(values[16..]), Vector256.Create(values[24..]));
        }
        else
        {
            Span<float> padded = stackalloc float[WeightLayout.BlockInputs];
            padded.Clear();
            values.CopyTo(padded);
            (a, b, c, d) = (Vector256.Create(padded), Vector256.Create(padded[8..]), Vector256.Create(padded[16..]), Vector256.Create(padded[24..]));
        }

        Vector256<float> largest = Vector256.Max(
            Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
        Vector128<float> four = Vector128.Max(largest.GetLower(), largest.GetUpper());
        // MathF.Max passes a NaN on: it must show in the result rather than vanish.
        float magnitude = MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
        float factor = magnitude < Smallest ? 0 : 127 / magnitude;
        scale = magnitude < Smallest ? 0 : magnitude / 127;
        Vector256<float> f = Vector256.Create(factor);
        Vector256<int> i = Code(a, f), j = Code(b, f), k = Code(c, f), l = Code(d, f);
        start = -offset * Vector256.Sum(i + j + k + l);
        Vector256.Narrow(Vector256.Narrow(i, j), Vector256.Narrow(k, l)).Store(codes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Code(Vector256<float> x, Vector256<float> factor) => Vector256.ConvertToInt32(Vector256.Round(x * factor));

    private readonly struct Body(float* x, int rows, nint stride, int inputs, int offset, bool isGated, byte* target) : IWorkerBody
    {
        private readonly int tileRows = rows == 1 ? 1 : TileRows;

        public int Tiles => (rows + tileRows - 1) / tileRows;

        public nint TileStride => (nint)RecordBytes(tileRows) * Blocks(inputs);

        public void Execute(int start, int limit)
        {
            int blocks = Blocks(inputs), recordBytes = RecordBytes(tileRows);
            Span<float> gated = stackalloc float[WeightLayout.BlockInputs];
            for (int tile = start; tile < limit; tile++)
            {
                for (int t = 0; t < tileRows; t++)
                {
                    int row = tile * tileRows + t;
                    byte* record = target + tile * TileStride;
                    for (int block = 0; block < blocks; block++, record += recordBytes)
                    {
                        int first = block * WeightLayout.BlockInputs;
                        int count = row < rows ? Math.Clamp(inputs - first, 0, WeightLayout.BlockInputs) : 0;
                        float* scales = (float*)(record + tileRows * WeightLayout.BlockInputs);
                        scoped ReadOnlySpan<float> values = new(x + (count == 0 ? 0 : row * stride + first), count);
                        if (isGated && count > 0)
                        {
                            VectorMath.SiLUMultiply(values, new ReadOnlySpan<float>(x + row * stride + inputs + first, count), gated[..count]);
                            values = gated[..count];
                        }

                        QuantizeBlock(
                            values, offset,
                            (sbyte*)record + t * WeightLayout.BlockInputs, out scales[t], out ((int*)(scales + tileRows))[t]);
                    }
                }
            }
        }
    }
}
