using System.Runtime.InteropServices;

namespace Emova.Numerics;

/// <summary>The input of a product with weights in bfloat16 pairs: rounded to bfloat16, the inputs of a tap in neighboring pairs.</summary>
internal sealed unsafe class RoundedRows
{
    private const long ParallelThreshold = 1L << 16;
    private const int Piece = 4096;

    [ThreadStatic]
    private static RoundedRows? scratch;

    private ushort[] values = [];

    private RoundedRows()
    {
    }

    /// <summary>Rounds the input of a product into the buffer of this thread, which is valid until its next product, and names it in the operands.</summary>
    /// <param name="operands">Have X and its strides; receive Rounded and the strides of that.</param>
    /// <param name="rows">Number of rows, at least 1.</param>
    /// <param name="team">Threads to use.</param>
    public static RoundedRows From(ref PanelOperands operands, int rows, WorkerTeam team)
    {
        RoundedRows result = scratch ??= new RoundedRows();
        int padded = (operands.Inputs + 1) / 2 * 2;
        long span = (rows - 1) * operands.XStride + (operands.Taps - 1) * operands.TapStride + operands.Inputs;
        Body body = new() { Source = operands.X, End = operands.X + span };
        if (operands.Inputs == padded && span <= (long)rows * operands.Taps * padded)
        {
            // Rows and taps of a convolution share their frames: each is rounded once and keeps its place.
            (body.Taps, body.RowStride, body.Width, body.Padded) = (1, Piece, Piece, Piece);
            rows = (int)((span + Piece - 1) / Piece);
        }
        else
        {
            (body.Taps, body.RowStride, body.TapStride, body.Width, body.Padded) = (operands.Taps, operands.XStride, operands.TapStride, operands.Inputs, padded);
            (operands.XStride, operands.TapStride) = (operands.Taps * padded, padded);
        }

        long size = (long)rows * body.Taps * body.Padded;
        if (result.values.Length < size) result.values = GC.AllocateUninitializedArray<ushort>(checked((int)size), pinned: true);
        operands.Rounded = body.Target = (ushort*)Marshal.UnsafeAddrOfPinnedArrayElement(result.values, 0);
        if (size < ParallelThreshold) body.Execute(0, rows);
        else team.For(rows, body);
        return result;
    }

    /// <summary>Pieces of the source, <see cref="Taps"/> to a row, laid out one after the other.</summary>
    private struct Body : IWorkerBody
    {
        public float* Source;
        public float* End;
        public ushort* Target;
        public nint RowStride;
        public nint TapStride;
        public int Taps;
        public int Width;
        public int Padded;

        public readonly void Execute(int start, int limit)
        {
            for (int row = start; row < limit; row++)
            {
                for (int tap = 0; tap < Taps; tap++)
                {
                    float* source = Source + row * RowStride + tap * TapStride;
                    Span<ushort> target = new(Target + ((nint)row * Taps + tap) * Padded, Padded);
                    int count = (int)Math.Min(Width, End - source);
                    BFloat16.FromSingle(new ReadOnlySpan<float>(source, count), target);
                    target[count..].Clear();
                }
            }
        }
    }
}
