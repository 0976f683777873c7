using System.Numerics;

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

    [ThreadStatic]
    private static float[]? scratch;

    /// <summary>Every query attends to the first <paramref name="keyCount"/> keys.</summary>
    /// <param name="q">Queries (queryCount, heads * headDim).</param>
    /// <param name="qStride">Distance of two query rows in floats.</param>
    /// <param name="k">Keys (keyCount or more, heads * headDim).</param>
    /// <param name="kStride">Distance of two key rows in floats.</param>
    /// <param name="v">Values, as keys.</param>
    /// <param name="vStride">Distance of two value rows in floats.</param>
    /// <param name="y">Result (queryCount, heads * headDim).</param>
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
    /// <param name="y">Result (queryCount, heads * headDim).</param>
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
            int items = checked(queryCount * heads);
            if ((long)items * headDim * lastKeyCount < ParallelThreshold) body.Execute(0, items);
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

        public readonly void Execute(int start, int limit)
        {
            for (int item = start; item < limit; item++)
            {
                int query = item / Heads;
                int head = item % Heads;
                Attend(query, head, FirstKeyCount + query * KeyCountGrowth);
            }
        }

        private readonly void Attend(int query, int head, int keyCount)
        {
            if (scratch is null || scratch.Length < keyCount) scratch = new float[Math.Max(1024, (int)BitOperations.RoundUpToPowerOf2((uint)keyCount))];
            Span<float> scores = scratch.AsSpan(0, keyCount);
            ReadOnlySpan<float> q = new(Q + query * QStride + head * HeadDim, HeadDim);
            int keyHead = head / QueriesPerKey;
            for (int t = 0; t < keyCount; t++)
                scores[t] = Scale * VectorMath.Dot(q, new ReadOnlySpan<float>(K + t * KStride + keyHead * HeadDim, HeadDim));
            VectorMath.Softmax(scores);
            Span<float> result = new(Y + query * YStride + head * ValueDim, ValueDim);
            result.Clear();
            for (int t = 0; t < keyCount; t++)
                VectorMath.MultiplyAdd(new ReadOnlySpan<float>(V + t * VStride + keyHead * ValueDim, ValueDim), scores[t], result);
        }
    }
}
