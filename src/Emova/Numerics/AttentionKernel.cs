using System.Numerics;
using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>
/// softmax(scale * q k^T) v for every head. Tensors are time-major: row t of a tensor starts at t * stride and holds its
/// heads one after the other, so q, k and v may be slices of one fused (T, 3 * heads * headDim) projection, and k and v
/// may be key-value caches of shape (capacity, keyValueHeads * headDim). The result of a query depends only on that
/// query and the keys it sees, not on how many queries are asked at once.
/// </summary>
public static unsafe class AttentionKernel
{
    private const long ParallelThreshold = 1L << 16;
    private const int Lanes = 8;

    // Queries of one head that share every load of a key or value. The keys of all heads of a picture do not fit into the cache:
    // head by head and four queries at a time, 1024 queries of 16 heads of 80 take a sixth of the time of one query after the other.
    private const int QueriesAtOnce = 4;

    [ThreadStatic]
    private static float[]? scratch;

    /// <summary>Floats that each thread keeps for the scores of so many keys.</summary>
    internal static long ScratchPerThread(int keyCount) => Math.Max(1024, (long)BitOperations.RoundUpToPowerOf2((ulong)QueriesAtOnce * (ulong)keyCount));

    /// <summary>Every query attends to the first <paramref name="keyCount"/> keys.</summary>
    /// <param name="q">Queries (queryCount, heads * headDim).</param>
    /// <param name="qStride">Distance of two query rows in floats.</param>
    /// <param name="k">Keys (keyCount or more, heads * headDim).</param>
    /// <param name="kStride">Distance of two key rows in floats.</param>
    /// <param name="v">Values, as keys.</param>
    /// <param name="vStride">Distance of two value rows in floats.</param>
    /// <param name="y">Result (queryCount, heads * headDim); may take the place of the queries, with their stride.</param>
    /// <param name="yStride">Distance of two result rows in floats.</param>
    /// <param name="queryCount">Number of queries.</param>
    /// <param name="keyCount">Number of valid keys, at least 1.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="scale">Factor of the scores, usually 1 / sqrt(headDim).</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    public static void Full(
        ReadOnlySpan<float> q, int qStride, ReadOnlySpan<float> k, int kStride, ReadOnlySpan<float> v, int vStride,
        Span<float> y, int yStride, int queryCount, int keyCount, int heads, int headDim, float scale, WorkerTeam? team = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keyCount, 1);
        Run(q, qStride, k, kStride, v, vStride, y, yStride, queryCount, keyCount, keyCountGrowth: 0, heads, heads, headDim, headDim, scale, team);
    }

    /// <summary>Full attention inside consecutive segments of one packed sequence, such as several pictures in one batch.</summary>
    /// <param name="q">Queries (T, heads * headDim).</param>
    /// <param name="qStride">Distance of two query rows in floats.</param>
    /// <param name="k">Keys, as queries.</param>
    /// <param name="kStride">Distance of two key rows in floats.</param>
    /// <param name="v">Values, as keys.</param>
    /// <param name="vStride">Distance of two value rows in floats.</param>
    /// <param name="y">Result, as queries.</param>
    /// <param name="yStride">Distance of two result rows in floats.</param>
    /// <param name="segmentEnds">Ascending end rows of the segments; the first starts at row 0.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    public static void Segmented(
        ReadOnlySpan<float> q, int qStride, ReadOnlySpan<float> k, int kStride, ReadOnlySpan<float> v, int vStride,
        Span<float> y, int yStride, ReadOnlySpan<int> segmentEnds, int heads, int headDim, float scale, WorkerTeam? team = null)
    {
        int start = 0;
        foreach (int end in segmentEnds)
        {
            if (end < start) throw new ArgumentException("segment ends must ascend", nameof(segmentEnds));
            if (end > start)
            {
                Full(
                    q[(start * qStride)..], qStride, k[(start * kStride)..], kStride, v[(start * vStride)..], vStride,
                    y[(start * yStride)..], yStride, end - start, end - start, heads, headDim, scale, team);
            }

            start = end;
        }
    }

    /// <summary>Causal attention with grouped heads over a key-value cache: query r, at position
    /// <paramref name="firstPosition"/> + r, attends to the keys at positions 0 to its own. The keys and values of the new
    /// positions must already be in the cache.</summary>
    /// <param name="q">Queries (queryCount, heads * headDim).</param>
    /// <param name="qStride">Distance of two query rows in floats.</param>
    /// <param name="keys">Key cache (positions, keyValueHeads * headDim).</param>
    /// <param name="keyStride">Distance of two positions in the key cache in floats.</param>
    /// <param name="values">Value cache, as keys.</param>
    /// <param name="valueStride">Distance of two positions in the value cache in floats.</param>
    /// <param name="y">Result (queryCount, heads * headDim); may take the place of the queries, with their stride.</param>
    /// <param name="yStride">Distance of two result rows in floats.</param>
    /// <param name="queryCount">Number of queries, 1 when decoding.</param>
    /// <param name="firstPosition">Position of the first query, which is the number of keys before it.</param>
    /// <param name="heads">Number of query heads, a multiple of <paramref name="keyValueHeads"/>.</param>
    /// <param name="keyValueHeads">Number of key and value heads; query head h reads head h / (heads / keyValueHeads).</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="scale">Factor of the scores, usually 1 / sqrt(headDim).</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    /// <param name="valueDim">Width of a value and result head; <paramref name="headDim"/> when null.</param>
    public static void Causal(
        ReadOnlySpan<float> q, int qStride, ReadOnlySpan<float> keys, int keyStride, ReadOnlySpan<float> values, int valueStride,
        Span<float> y, int yStride, int queryCount, int firstPosition, int heads, int keyValueHeads, int headDim, float scale,
        WorkerTeam? team = null, int? valueDim = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        Run(
            q, qStride, keys, keyStride, values, valueStride, y, yStride, queryCount, firstPosition + 1, keyCountGrowth: 1,
            heads, keyValueHeads, headDim, valueDim ?? headDim, scale, team);
    }

    /// <summary>As the other overload over keys and values in bfloat16; all arithmetic is in single precision.</summary>
    /// <param name="q">Queries (queryCount, heads * headDim).</param>
    /// <param name="qStride">Distance of two query rows in floats.</param>
    /// <param name="store">Keys and values; those of the new positions must already be set.</param>
    /// <param name="y">Result (queryCount, heads * valueDim). Must not overlap the queries.</param>
    /// <param name="yStride">Distance of two result rows in floats.</param>
    /// <param name="queryCount">Number of queries, 1 when decoding.</param>
    /// <param name="firstPosition">Position of the first query, which is the number of keys before it.</param>
    /// <param name="heads">Number of query heads, a multiple of the store's heads.</param>
    /// <param name="scale">Factor of the scores, usually 1 / sqrt(headDim).</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    /// <exception cref="ArgumentException">A span is too short, the heads cannot share, or a position is beyond the store.</exception>
    public static void Causal(
        ReadOnlySpan<float> q, int qStride, KeyValueStore store, Span<float> y, int yStride, int queryCount, int firstPosition, int heads, float scale, WorkerTeam? team = null) =>
        Causal(q, qStride, store, y, yStride, queryCount, firstPosition, heads, scale, team, VectorWidths.Best);

    internal static void Causal(
        ReadOnlySpan<float> q, int qStride, KeyValueStore store, Span<float> y, int yStride, int queryCount, int firstPosition, int heads, float scale,
        WorkerTeam? team, VectorWidth width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(queryCount);
        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        if (heads < 1 || heads % store.Heads != 0)
            throw new ArgumentException($"{heads} query heads cannot share {store.Heads} key-value heads", nameof(heads));
        if (firstPosition > store.Capacity - queryCount)
            throw new ArgumentException($"{queryCount} queries from position {firstPosition} on exceed a store of {store.Capacity} positions", nameof(firstPosition));
        if (queryCount == 0) return;
        CheckRows(q.Length, queryCount, qStride, heads * store.HeadDim, nameof(q));
        CheckRows(y.Length, queryCount, yStride, heads * store.ValueDim, nameof(y));
        fixed (float* qPointer = q, yPointer = y)
            CachedAttention.Run(qPointer, qStride, store, yPointer, yStride, queryCount, firstPosition, heads, scale, team ?? WorkerTeam.Shared, width);
        GC.KeepAlive(store);
    }

    private static void Run(
        ReadOnlySpan<float> q, int qStride, ReadOnlySpan<float> k, int kStride, ReadOnlySpan<float> v, int vStride,
        Span<float> y, int yStride, int queryCount, int firstKeyCount, int keyCountGrowth, int heads, int keyValueHeads, int headDim,
        int valueDim, float scale, WorkerTeam? team)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(queryCount);
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(valueDim, 1);
        if (keyValueHeads < 1 || heads < 1 || heads % keyValueHeads != 0)
            throw new ArgumentException($"{heads} query heads cannot share {keyValueHeads} key-value heads", nameof(keyValueHeads));
        if (queryCount == 0) return;
        int lastKeyCount = firstKeyCount + (queryCount - 1) * keyCountGrowth;
        CheckRows(q.Length, queryCount, qStride, heads * headDim, nameof(q));
        CheckRows(y.Length, queryCount, yStride, heads * valueDim, nameof(y));
        CheckRows(k.Length, lastKeyCount, kStride, keyValueHeads * headDim, nameof(k));
        CheckRows(v.Length, lastKeyCount, vStride, keyValueHeads * valueDim, nameof(v));

        fixed (float* qPointer = q, kPointer = k, vPointer = v, yPointer = y)
        {
            Body body = new()
            {
                Q = qPointer,
                K = kPointer,
                V = vPointer,
                Y = yPointer,
                QStride = qStride,
                KStride = kStride,
                VStride = vStride,
                YStride = yStride,
                Heads = heads,
                QueriesPerKey = heads / keyValueHeads,
                HeadDim = headDim,
                ValueDim = valueDim,
                FirstKeyCount = firstKeyCount,
                KeyCountGrowth = keyCountGrowth,
                Scale = scale,
            };
            body.QueryCount = queryCount;
            body.BlocksPerHead = (queryCount + QueriesAtOnce - 1) / QueriesAtOnce;
            int items = checked(body.BlocksPerHead * heads);
            if ((long)queryCount * heads * headDim * lastKeyCount < ParallelThreshold) body.Execute(0, items);
            else (team ?? WorkerTeam.Shared).For(items, body);
        }
    }

    private static void CheckRows(int length, int rows, int stride, int width, string name)
    {
        if (stride < width && rows > 1) throw new ArgumentException($"row stride {stride} is below the row width {width}", name);
        if (length < (long)(rows - 1) * stride + width)
            throw new ArgumentException($"{length} values are too few for {rows} rows of {width} at stride {stride}", name);
    }

    private struct Body : IWorkerBody
    {
        public float* Q;
        public float* K;
        public float* V;
        public float* Y;
        public nint QStride;
        public nint KStride;
        public nint VStride;
        public nint YStride;
        public int Heads;
        public int QueriesPerKey;
        public int HeadDim;
        public int ValueDim;
        public int FirstKeyCount;
        public int KeyCountGrowth;
        public float Scale;

        public int QueryCount;
        public int BlocksPerHead;

        public readonly void Execute(int start, int limit)
        {
            for (int item = start; item < limit; item++)
            {
                int head = item / BlocksPerHead, first = item % BlocksPerHead * QueriesAtOnce;
                int end = Math.Min(first + QueriesAtOnce, QueryCount);
                if (end - first == QueriesAtOnce && HeadDim % Lanes == 0 && ValueDim % Lanes == 0)
                {
                    AttendFour(first, head);
                    continue;
                }

                for (int query = first; query < end; query++) Attend(query, head);
            }
        }

        private readonly void Attend(int query, int head)
        {
            int keyCount = FirstKeyCount + query * KeyCountGrowth;
            Span<float> scores = Scratch(keyCount);
            float* q = Q + query * QStride + head * HeadDim;
            int keyHead = head / QueriesPerKey;
            float* k = K + keyHead * HeadDim, v = V + keyHead * ValueDim;
            Score(q, k, scores, 0);
            VectorMath.Softmax(scores);
            Span<float> result = new(Y + query * YStride + head * ValueDim, ValueDim);
            result.Clear();
            Collect(v, scores, 0, result);
        }

        /// <summary>As <see cref="Attend"/> for four consecutive queries: the same operations in the same order for each of them.</summary>
        private readonly void AttendFour(int query, int head)
        {
            // A causal query sees one key more than the one before it; what all four see is computed together.
            int shared = FirstKeyCount + query * KeyCountGrowth, longest = shared + (QueriesAtOnce - 1) * KeyCountGrowth;
            Span<float> all = Scratch(QueriesAtOnce * longest);
            int keyHead = head / QueriesPerKey;
            float* q = Q + query * QStride + head * HeadDim, k = K + keyHead * HeadDim, v = V + keyHead * ValueDim;
            float* y = Y + query * YStride + head * ValueDim;
            fixed (float* scores = all)
            {
                for (int t = 0; t < shared; t++) Dot(q, k + t * KStride, scores + t, longest);
                for (int i = 0; i < QueriesAtOnce; i++)
                {
                    Span<float> row = all.Slice(i * longest, shared + i * KeyCountGrowth);
                    Score(q + i * QStride, k, row, shared);
                    VectorMath.Softmax(row);
                }

                for (int d = 0; d < ValueDim; d += Lanes * 2) Sum(scores, longest, shared, v + d, y + d, ValueDim - d);
            }

            for (int i = 1; i < QueriesAtOnce && KeyCountGrowth > 0; i++)
                Collect(v, all.Slice(i * longest, shared + i * KeyCountGrowth), shared, new Span<float>(y + i * YStride, ValueDim));
        }

        /// <summary>Scores of the keys from <paramref name="first"/> on.</summary>
        private readonly void Score(float* q, float* k, Span<float> scores, int first)
        {
            ReadOnlySpan<float> query = new(q, HeadDim);
            for (int t = first; t < scores.Length; t++) scores[t] = Scale * VectorMath.Dot(query, new ReadOnlySpan<float>(k + t * KStride, HeadDim));
        }

        /// <summary>Adds the weighted values from <paramref name="first"/> on.</summary>
        private readonly void Collect(float* v, ReadOnlySpan<float> weights, int first, Span<float> result)
        {
            for (int t = first; t < weights.Length; t++)
                VectorMath.MultiplyAdd(new ReadOnlySpan<float>(v + t * VStride, ValueDim), weights[t], result);
        }

        /// <summary>Scores of one key for four queries, each as <see cref="VectorMath.Dot"/> computes it.</summary>
        private readonly void Dot(float* q, float* key, float* scores, int scoreStride)
        {
            float* q1 = q + QStride, q2 = q1 + QStride, q3 = q2 + QStride;
            Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            int i = 0;
            for (; i + 2 * Lanes <= HeadDim; i += 2 * Lanes)
            {
                Vector256<float> low = Vector256.Load(key + i), high = Vector256.Load(key + i + Lanes);
                a0 = Vector256.FusedMultiplyAdd(Vector256.Load(q + i), low, a0);
                a1 = Vector256.FusedMultiplyAdd(Vector256.Load(q1 + i), low, a1);
                a2 = Vector256.FusedMultiplyAdd(Vector256.Load(q2 + i), low, a2);
                a3 = Vector256.FusedMultiplyAdd(Vector256.Load(q3 + i), low, a3);
                b0 = Vector256.FusedMultiplyAdd(Vector256.Load(q + i + Lanes), high, b0);
                b1 = Vector256.FusedMultiplyAdd(Vector256.Load(q1 + i + Lanes), high, b1);
                b2 = Vector256.FusedMultiplyAdd(Vector256.Load(q2 + i + Lanes), high, b2);
                b3 = Vector256.FusedMultiplyAdd(Vector256.Load(q3 + i + Lanes), high, b3);
            }

            if (i < HeadDim)
            {
                Vector256<float> low = Vector256.Load(key + i);
                a0 = Vector256.FusedMultiplyAdd(Vector256.Load(q + i), low, a0);
                a1 = Vector256.FusedMultiplyAdd(Vector256.Load(q1 + i), low, a1);
                a2 = Vector256.FusedMultiplyAdd(Vector256.Load(q2 + i), low, a2);
                a3 = Vector256.FusedMultiplyAdd(Vector256.Load(q3 + i), low, a3);
            }

            scores[0] = Scale * Vector256.Sum(a0 + b0);
            scores[scoreStride] = Scale * Vector256.Sum(a1 + b1);
            scores[2 * scoreStride] = Scale * Vector256.Sum(a2 + b2);
            scores[3 * scoreStride] = Scale * Vector256.Sum(a3 + b3);
        }

        /// <summary>Weighted sums of one or two vectors of the values for four queries, over the first <paramref name="count"/> keys.</summary>
        private readonly void Sum(float* weights, int weightStride, int count, float* v, float* y, int width)
        {
            float* w1 = weights + weightStride, w2 = w1 + weightStride, w3 = w2 + weightStride;
            float* y1 = y + YStride, y2 = y1 + YStride, y3 = y2 + YStride;
            Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
            if (width < 2 * Lanes)
            {
                for (int t = 0; t < count; t++)
                {
                    Vector256<float> value = Vector256.Load(v + t * VStride);
                    a0 = Vector256.FusedMultiplyAdd(Vector256.Create(weights[t]), value, a0);
                    a1 = Vector256.FusedMultiplyAdd(Vector256.Create(w1[t]), value, a1);
                    a2 = Vector256.FusedMultiplyAdd(Vector256.Create(w2[t]), value, a2);
                    a3 = Vector256.FusedMultiplyAdd(Vector256.Create(w3[t]), value, a3);
                }
            }
            else
            {
                Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default;
                for (int t = 0; t < count; t++)
                {
                    Vector256<float> low = Vector256.Load(v + t * VStride), high = Vector256.Load(v + t * VStride + Lanes), weight = Vector256.Create(weights[t]);
                    a0 = Vector256.FusedMultiplyAdd(weight, low, a0);
                    b0 = Vector256.FusedMultiplyAdd(weight, high, b0);
                    weight = Vector256.Create(w1[t]);
                    a1 = Vector256.FusedMultiplyAdd(weight, low, a1);
                    b1 = Vector256.FusedMultiplyAdd(weight, high, b1);
                    weight = Vector256.Create(w2[t]);
                    a2 = Vector256.FusedMultiplyAdd(weight, low, a2);
                    b2 = Vector256.FusedMultiplyAdd(weight, high, b2);
                    weight = Vector256.Create(w3[t]);
                    a3 = Vector256.FusedMultiplyAdd(weight, low, a3);
                    b3 = Vector256.FusedMultiplyAdd(weight, high, b3);
                }

                b0.Store(y + Lanes);
                b1.Store(y1 + Lanes);
                b2.Store(y2 + Lanes);
                b3.Store(y3 + Lanes);
            }

            a0.Store(y);
            a1.Store(y1);
            a2.Store(y2);
            a3.Store(y3);
        }

        private static Span<float> Scratch(int length)
        {
            if (scratch is null || scratch.Length < length) scratch = new float[ScratchPerThread((length + QueriesAtOnce - 1) / QueriesAtOnce)];
            return scratch.AsSpan(0, length);
        }
    }
}
