using System.Numerics;

namespace Emova.Numerics;

/// <summary>
/// Causal attention with grouped heads over a <see cref="KeyValueStore"/>, as two products with packed weights: scores with the keys,
/// result with the values. Decoding computes all query heads of a key head together; a prompt, blocks of queries of one head. Either way
/// each element is one chain of multiply-adds in ascending order: how many queries there are changes no bit.
/// </summary>
internal static unsafe class CachedAttention
{
    private const long ParallelThreshold = 1L << 16;

    // Rows of scores at a time: two tiles of the product kernels, which read keys and values once for each.
    private const int RowsAtOnce = 16;

    [ThreadStatic]
    private static float[]? scratch;

    /// <summary>Floats that each thread keeps for the scores of so many keys.</summary>
    public static long ScratchPerThread(int keyCount) => (long)BitOperations.RoundUpToPowerOf2((ulong)RowsAtOnce * (ulong)RowStride(keyCount));

    /// <summary>An odd number of cache lines: rows a power of two apart would take the same places of the cache.</summary>
    private static int RowStride(int keyCount) => ((keyCount + 15) / 16 | 1) * 16;

    public static void Run(
        float* q, int qStride, KeyValueStore store, float* y, int yStride, int queryCount, int firstPosition, int heads, float scale,
        WorkerTeam team, VectorWidth width)
    {
        Body body = new()
        {
            Q = q, QStride = qStride, Store = store, Y = y, YStride = yStride, QueryCount = queryCount, FirstPosition = firstPosition,
            Group = heads / store.Heads, Scale = scale, Width = width,
        };
        int items = queryCount == 1 ? store.Heads * body.HeadBlocks : checked(heads * body.QueryBlocks);
        if ((long)queryCount * heads * store.HeadDim * (firstPosition + queryCount) < ParallelThreshold) body.Execute(0, items);
        else team.For(items, body);
    }

    private struct Body : IWorkerBody
    {
        public float* Q;
        public nint QStride;
        public KeyValueStore Store;
        public float* Y;
        public nint YStride;
        public int QueryCount;
        public int FirstPosition;
        public int Group; // query heads per key head
        public float Scale;
        public VectorWidth Width;

        public readonly int HeadBlocks => (Group + RowsAtOnce - 1) / RowsAtOnce;

        public readonly int QueryBlocks => (QueryCount + RowsAtOnce - 1) / RowsAtOnce;

        public readonly void Execute(int start, int limit)
        {
            for (int item = start; item < limit; item++)
            {
                if (QueryCount == 1)
                {
                    int first = item % HeadBlocks * RowsAtOnce, keyHead = item / HeadBlocks, head = keyHead * Group + first;
                    Attend(keyHead, Q + head * Store.HeadDim, Store.HeadDim, Y + head * Store.ValueDim, Store.ValueDim, Math.Min(RowsAtOnce, Group - first), FirstPosition + 1, 0);
                }
                else
                {
                    int first = item % QueryBlocks * RowsAtOnce, head = item / QueryBlocks;
                    Attend(
                        head / Group, Q + first * QStride + head * Store.HeadDim, QStride, Y + first * YStride + head * Store.ValueDim, YStride,
                        Math.Min(RowsAtOnce, QueryCount - first), FirstPosition + first + 1, 1);
                }
            }
        }

        /// <summary>Rows that share a key head: row r sees <paramref name="keyCount"/> + r * <paramref name="growth"/> keys.</summary>
        private readonly void Attend(int keyHead, float* q, nint qStride, float* y, nint yStride, int rows, int keyCount, int growth)
        {
            int longest = keyCount + (rows - 1) * growth, stride = RowStride(longest);
            if (scratch is null || scratch.Length < rows * stride) scratch = new float[ScratchPerThread(longest)];
            Span<float> all = scratch.AsSpan(0, rows * stride);
            fixed (float* scores = all)
            {
                PanelKernel.Run<ushort>(Width, new PanelOperands
                {
                    Weight = Store.Keys(keyHead), PanelBytes = (nint)Store.HeadDim * 2 * WeightLayout.GroupRows * sizeof(ushort), Taps = 1,
                    X = q, XStride = qStride, Inputs = Store.HeadDim, Y = scores, YStride = stride, Outputs = longest,
                }, 0, rows, 0, (longest + 31) / 32);
                for (int row = 0; row < rows; row++)
                {
                    Span<float> seen = all.Slice(row * stride, keyCount + row * growth);
                    VectorMath.Scale(seen, Scale, seen);
                    VectorMath.Softmax(seen);
                    // Keys after a query's own position take no part: a weight of zero adds nothing to a chain.
                    all[(row * stride + seen.Length)..(row * stride + longest)].Clear();
                }

                PanelKernel.Run<ushort>(Width, new PanelOperands
                {
                    Weight = Store.Values(keyHead), PanelBytes = Store.ValuePanelBytes, Taps = 1,
                    X = scores, XStride = stride, Inputs = longest, Y = y, YStride = yStride, Outputs = Store.ValueDim,
                }, 0, rows, 0, (Store.ValueDim + 31) / 32);
            }
        }
    }
}
