namespace Emova.Numerics;

/// <summary>The gate of a feed-forward layer, over many rows and by all threads: as fast as memory, not as one core.</summary>
internal static unsafe class GatedRows
{
    // Below this many values another pause of the threads costs more than it saves: a single row is gated by its caller.
    private const long ParallelThreshold = 1L << 15;
    private const int Piece = 2048;

    /// <summary>gate = silu(gate) * up in every row.</summary>
    /// <param name="fused">(rows, [gate | up]); the gates receive the result.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Width of a gate.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    public static void SiLUMultiply(Span<float> fused, int rows, int width, WorkerTeam? team = null)
    {
        if (fused.Length < 2L * rows * width)
            throw new ArgumentException($"{fused.Length} values are too few for {rows} rows of 2 x {width}", nameof(fused));
        fixed (float* start = fused)
        {
            Body body = new() { Fused = start, Width = width, PiecesPerRow = (width + Piece - 1) / Piece };
            int items = checked(rows * body.PiecesPerRow);
            if ((long)rows * width < ParallelThreshold) body.Execute(0, items);
            else (team ?? WorkerTeam.Shared).For(items, body);
        }
    }

    private struct Body : IWorkerBody
    {
        public float* Fused;
        public int Width;
        public int PiecesPerRow;

        public readonly void Execute(int start, int limit)
        {
            for (int item = start; item < limit; item++)
            {
                int first = item % PiecesPerRow * Piece, count = Math.Min(Piece, Width - first);
                Span<float> gate = new(Fused + 2L * (item / PiecesPerRow) * Width + first, count);
                VectorMath.SiLUMultiply(gate, new ReadOnlySpan<float>(Fused + (2L * (item / PiecesPerRow) + 1) * Width + first, count), gate);
            }
        }
    }
}
