using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Emova.Numerics;

/// <summary>
/// Causal attention with grouped heads over a <see cref="KeyValueStore"/>, as two products with packed weights: scores with the keys,
/// result with the values. Queries and the weights of the values are rounded to bfloat16 on the way in, as the keys and values are; sums
/// are in single precision. Decoding computes all query heads of a key head together; a prompt, blocks of queries of one head.
/// <para>
/// Positions go in blocks, each with a softmax of its own, which are then weighed against each other (Dao et al. 2022, "FlashAttention"):
/// the scores of a block stay in the first caches, and a long conversation is divided among threads although it has few key heads. Blocks
/// begin at fixed positions and are added in their order: neither the number of queries nor that of threads changes a bit.
/// </para>
/// </summary>
internal static unsafe class CachedAttention
{
    private const long ParallelThreshold = 1L << 16;

    // Rows of scores at a time: two tiles of the product kernels, which read keys and values once for each.
    private const int RowsAtOnce = 16;

    private const int BlockPositions = 512;

    // An odd number of cache lines: rows a power of two apart would take the same places of the cache.
    private const int ScoreStride = BlockPositions + 16;

    // Scores weighed at a time.
    private const int StepScores = 16;

    // Of a block and row: the largest score and the sum of the weights, before the weighted sum of the values.
    private const int PartialHead = 2;

    [ThreadStatic]
    private static Scratch? scratch;

    /// <summary>Bytes that each thread keeps for so many keys.</summary>
    /// <param name="keyCount">Keys, at least 1.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="headDim">Width of a key.</param>
    /// <param name="valueDim">Width of a value.</param>
    public static long ScratchPerThread(int keyCount, int heads, int headDim, int valueDim) =>
        Scratch.FixedBytes(headDim) + sizeof(float) * (long)BitOperations.RoundUpToPowerOf2((uint)Math.Max(heads, RowsAtOnce) * (uint)Blocks(keyCount) * (uint)(valueDim + PartialHead));

    public static void Run(
        float* q, int qStride, KeyValueStore store, float* y, int yStride, int queryCount, int firstPosition, int heads, float scale,
        WorkerTeam team, VectorWidth width)
    {
        Body body = new()
        {
            Q = q, QStride = qStride, Store = store, Y = y, YStride = yStride, QueryCount = queryCount, FirstPosition = firstPosition,
            Group = heads / store.Heads, Blocks = Blocks(firstPosition + queryCount), Scale = scale, Width = width,
        };
        bool isSmall = (long)queryCount * heads * store.HeadDim * (firstPosition + queryCount) < ParallelThreshold;
        int items = checked(queryCount == 1 ? store.Heads * body.HeadBlocks * body.Blocks : heads * body.QueryBlocks);
        if (queryCount == 1) body.Shared = Scratch.OfThread(store.HeadDim).Partials(heads * body.Blocks * (store.ValueDim + PartialHead));
        if (isSmall) body.Execute(0, items);
        else team.For(items, body);
        if (queryCount == 1) body.Combine(body.Shared, body.Blocks, y, store.ValueDim, heads);
    }

    private static int Blocks(int keyCount) => (keyCount + BlockPositions - 1) / BlockPositions;

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
        public int Blocks; // of positions
        public float* Shared; // of one query: the partial results of all heads
        public float Scale;
        public VectorWidth Width;

        public readonly int HeadBlocks => (Group + RowsAtOnce - 1) / RowsAtOnce;

        public readonly int QueryBlocks => (QueryCount + RowsAtOnce - 1) / RowsAtOnce;

        private readonly int PartialLength => Store.ValueDim + PartialHead;

        public readonly void Execute(int start, int limit)
        {
            for (int item = start; item < limit; item++)
            {
                if (QueryCount == 1)
                {
                    int block = item % Blocks, first = item / Blocks % HeadBlocks * RowsAtOnce, keyHead = item / Blocks / HeadBlocks, head = keyHead * Group + first;
                    Attend(
                        keyHead, Q + head * Store.HeadDim, Store.HeadDim, Math.Min(RowsAtOnce, Group - first), FirstPosition + 1, 0,
                        Shared + head * Blocks * PartialLength, Blocks, block, block + 1);
                }
                else
                {
                    int first = item % QueryBlocks * RowsAtOnce, head = item / QueryBlocks, rows = Math.Min(RowsAtOnce, QueryCount - first);
                    int blocks = CachedAttention.Blocks(FirstPosition + first + rows);
                    float* partials = Scratch.OfThread(Store.HeadDim).Partials(rows * blocks * PartialLength);
                    Attend(head / Group, Q + first * QStride + head * Store.HeadDim, QStride, rows, FirstPosition + first + 1, 1, partials, blocks, 0, blocks);
                    Combine(partials, blocks, Y + first * YStride + head * Store.ValueDim, YStride, rows);
                }
            }
        }

        /// <summary>Some blocks of rows that share a key head: row r sees <paramref name="keyCount"/> + r * <paramref name="growth"/> keys.</summary>
        private readonly void Attend(
            int keyHead, float* q, nint qStride, int rows, int keyCount, int growth, float* partials, int blocks, int blockStart, int blockEnd)
        {
            Scratch room = Scratch.OfThread(Store.HeadDim);
            int longest = keyCount + (rows - 1) * growth, padded = (Store.HeadDim + 1) / 2 * 2;
            for (int row = 0; row < rows; row++)
            {
                Span<float> scaled = new(room.Scores, Store.HeadDim);
                VectorMath.Scale(new ReadOnlySpan<float>(q + row * qStride, Store.HeadDim), Scale, scaled);
                Span<ushort> rounded = new(room.Queries + row * padded, padded);
                BFloat16.FromSingle(scaled, rounded);
                rounded[Store.HeadDim..].Clear();
            }

            for (int block = blockStart; block < blockEnd; block++)
            {
                int first = block * BlockPositions, count = Math.Min(BlockPositions, longest - first);
                PairKernel.Run(Width, new PanelOperands
                {
                    Weight = Store.Keys(keyHead) + first / KeyValueStore.PanelRows * Store.KeyPanelBytes, PanelBytes = Store.KeyPanelBytes, IsWide = true, Taps = 1,
                    Rounded = room.Queries, XStride = padded, Inputs = Store.HeadDim, Y = room.Scores, YStride = ScoreStride, Outputs = count,
                }, 0, rows, 0, (count + 31) / 32);
                // Each row asks for its share of a panel of values.
                float* partial = partials + block * PartialLength;
                byte* values = Store.Values(keyHead) + first / 2 * KeyValueStore.LineBytes;
                int panels = (Store.ValueDim + KeyValueStore.PanelRows - 1) / KeyValueStore.PanelRows, shares = (rows + panels - 1) / panels, linesPerStep = StepScores / shares;
                for (int row = 0; row < rows; row++)
                {
                    float* head = partial + row * blocks * PartialLength;
                    int seen = Math.Clamp(keyCount + row * growth - first, 0, count);
                    byte* ahead = values + row % panels * Store.ValuePanelBytes + row / panels * (count / 2 * KeyValueStore.LineBytes / shares);
                    (head[0], head[1]) = Weigh(room.Scores + row * ScoreStride, seen, count, room.Weights + row * ScoreStride, ahead, linesPerStep);
                }

                PairKernel.Run(Width, new PanelOperands
                {
                    Weight = values, PanelBytes = Store.ValuePanelBytes, IsWide = true, Taps = 1,
                    Rounded = room.Weights, XStride = ScoreStride, Inputs = count, Y = partial + PartialHead, YStride = (nint)blocks * PartialLength, Outputs = Store.ValueDim,
                }, 0, rows, 0, (Store.ValueDim + 31) / 32);
            }
        }

        /// <summary>Weighs the blocks of each row by their largest scores and adds them up.</summary>
        public readonly void Combine(float* partials, int blocks, float* y, nint yStride, int rows)
        {
            for (int row = 0; row < rows; row++, partials += blocks * PartialLength)
            {
                float largest = float.NegativeInfinity, sum = 0;
                for (int block = 0; block < blocks; block++) largest = MathF.Max(largest, partials[block * PartialLength]);
                for (int block = 0; block < blocks; block++) sum += partials[block * PartialLength + 1] * Factor(partials[block * PartialLength], largest);
                Span<float> result = new(y + row * yStride, Store.ValueDim);
                result.Clear();
                for (int block = 0; block < blocks; block++)
                {
                    // Later queries of the same tile may see a block that this one does not.
                    float* partial = partials + block * PartialLength;
                    if (partial[1] != 0) VectorMath.MultiplyAdd(new ReadOnlySpan<float>(partial + PartialHead, Store.ValueDim), Factor(partial[0], largest) / sum, result);
                }
            }
        }

        private static float Factor(float blockLargest, float largest) => VectorMath.Exp(Vector256.Create(blockLargest - largest))[0];
    }

    /// <summary>
    /// e^(score - largest) of the first scores as bfloat16, zero for the others up to <paramref name="count"/>; the largest score and the
    /// sum of the rounded weights. Meanwhile memory is idle: cache lines of the values are asked for, some with every step.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Largest, float Sum) Weigh(float* scores, int seen, int count, ushort* weights, byte* ahead, int linesPerStep)
    {
        // The remainder goes through the vectors as well; an odd last position has a partner, which is not seen either.
        const int lanes = StepScores / 2, cacheLine = 64;
        int end = (seen + StepScores - 1) / StepScores * StepScores, all = (count + StepScores - 1) / StepScores * StepScores;
        for (int i = seen; i < end; i++) scores[i] = float.NegativeInfinity;
        new Span<ushort>(weights + end, all - end).Clear();
        if (seen == 0) return (float.NegativeInfinity, 0);
        Vector256<float> a = Vector256.Load(scores), b = Vector256.Load(scores + lanes);
        for (int i = StepScores; i < end; i += StepScores)
        {
            a = Vector256.MaxNative(a, Vector256.Load(scores + i));
            b = Vector256.MaxNative(b, Vector256.Load(scores + i + lanes));
        }

        a = Vector256.MaxNative(a, b);
        float largest = a[0];
        for (int lane = 1; lane < lanes; lane++) largest = MathF.Max(largest, a[lane]);
        Vector256<float> shift = Vector256.Create(largest), sumA = default, sumB = default;
        Vector256<uint> half = Vector256.Create(0x8000u), upper = Vector256.Create(0xFFFF0000u);
        for (int i = 0; i < end; i += StepScores)
        {
            for (int line = linesPerStep; line > 0 && Sse.IsSupported; line--, ahead += cacheLine) Sse.Prefetch1(ahead);
            Vector256<uint> first = VectorMath.ExpOfNegative(Vector256.Load(scores + i) - shift).AsUInt32() + half;
            Vector256<uint> second = VectorMath.ExpOfNegative(Vector256.Load(scores + i + lanes) - shift).AsUInt32() + half;
            sumA += (first & upper).AsSingle();
            sumB += (second & upper).AsSingle();
            Vector256.Narrow(first >> 16, second >> 16).Store(weights + i);
        }

        // What was not seen has got the least weight there is, too little to show in the sum, but a value may be anything.
        new Span<ushort>(weights + seen, end - seen).Clear();
        return (largest, Vector256.Sum(sumA + sumB));
    }

    /// <summary>Buffers of a thread, side by side in one allocation but for the partial results.</summary>
    private sealed class Scratch
    {
        private const int CacheLine = 64;

        private readonly int headDim;
        private readonly byte[] buffers;
        private float[] partials = [];

        private Scratch(int headDim)
        {
            this.headDim = headDim;
            buffers = GC.AllocateUninitializedArray<byte>(checked((int)FixedBytes(headDim)), pinned: true);
            nint address = Marshal.UnsafeAddrOfPinnedArrayElement(buffers, 0);
            Scores = (float*)((address + CacheLine - 1) / CacheLine * CacheLine);
            Weights = (ushort*)(Scores + RowsAtOnce * ScoreStride);
            Queries = Weights + RowsAtOnce * ScoreStride;
        }

        /// <summary>(rows, ScoreStride).</summary>
        public float* Scores { get; }

        /// <summary>(rows, ScoreStride): bfloat16.</summary>
        public ushort* Weights { get; }

        /// <summary>(rows, headDim rounded up to pairs): bfloat16.</summary>
        public ushort* Queries { get; }

        public static long FixedBytes(int headDim) =>
            RowsAtOnce * (ScoreStride * (long)(sizeof(float) + sizeof(ushort)) + (headDim + 1) / 2 * 2 * sizeof(ushort)) + CacheLine;

        public static Scratch OfThread(int headDim) => scratch is { } made && made.headDim >= headDim ? made : scratch = new Scratch(headDim);

        /// <summary>Room for partial results, valid until it is asked for again.</summary>
        public float* Partials(int length)
        {
            if (partials.Length < length) partials = GC.AllocateUninitializedArray<float>((int)BitOperations.RoundUpToPowerOf2((uint)length), pinned: true);
            return (float*)Marshal.UnsafeAddrOfPinnedArrayElement(partials, 0);
        }
    }
}
