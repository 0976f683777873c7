using System.Runtime.InteropServices;

namespace Emova.Numerics;

/// <summary>
/// Keys and values of one attention layer in bfloat16, laid out for <see cref="AttentionKernel.Causal(ReadOnlySpan{float}, int, KeyValueStore, Span{float}, int, int, int, int, float, WorkerTeam?)"/>:
/// half the bytes of float32, and no sum across the lanes of a vector.
/// <para>
/// Scores are a product with the keys as weights, one output per position; what attention returns is a product with the values as
/// weights, one input per position. So both lie nearly as the matrices of <see cref="WeightFormat.BFloat16Pairs"/> do, in panels twice as
/// wide: what a kernel reads at a time is then one stream. Per head: keys in panels of 32 positions, [pair of dimensions][32] words;
/// values in panels of 32 dimensions, [pair of positions][32] words.
/// </para>
/// </summary>
public sealed unsafe class KeyValueStore
{
    /// <summary>Outputs of a panel.</summary>
    internal const int PanelRows = 2 * WeightLayout.GroupRows;
    /// <summary>Bytes of a pair of inputs of a panel.</summary>
    internal const int LineBytes = PanelRows * sizeof(uint);

    private readonly WeightMemory memory; // the keys of all heads, then the values of all heads
    private readonly long keyHeadBytes;
    private readonly long valueHeadBytes;

    // Positions whose memory holds numbers. The second position of a pair is multiplied by zero before it is set, which must not meet a NaN.
    private int filled;

    /// <summary>Reserves memory for all positions at once.</summary>
    /// <param name="capacity">Largest number of positions, at least 1.</param>
    /// <param name="heads">Key and value heads, at least 1.</param>
    /// <param name="headDim">Width of a key head, at least 1.</param>
    /// <param name="valueDim">Width of a value head, at least 1.</param>
    public KeyValueStore(int capacity, int heads, int headDim, int valueDim)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(valueDim, 1);
        (Capacity, Heads, HeadDim, ValueDim) = (capacity, heads, headDim, valueDim);
        keyHeadBytes = Panels(capacity) * KeyPanelBytes;
        valueHeadBytes = Panels(valueDim) * ValuePanelBytes;
        memory = new WeightMemory(SizeFor(capacity, heads, headDim, valueDim), isShared: false);
    }

    /// <summary>Positions for which there is room.</summary>
    public int Capacity { get; }

    /// <summary>Key and value heads.</summary>
    public int Heads { get; }

    /// <summary>Width of a key head.</summary>
    public int HeadDim { get; }

    /// <summary>Width of a value head.</summary>
    public int ValueDim { get; }

    /// <summary>Bytes held.</summary>
    public long SizeInBytes => memory.Length;

    /// <summary>Bytes from the keys of 32 positions to those of the next.</summary>
    internal nint KeyPanelBytes => (nint)Pairs(HeadDim) * LineBytes;

    /// <summary>Bytes from the values of 32 dimensions to those of the next.</summary>
    internal nint ValuePanelBytes => (nint)Pairs(Capacity) * LineBytes;

    /// <summary>Bytes that a store takes.</summary>
    public static long SizeFor(int capacity, int heads, int headDim, int valueDim) =>
        checked(heads * LineBytes * (Panels(capacity) * Pairs(headDim) + Panels(valueDim) * Pairs(capacity)));

    /// <summary>Rounds and stores the key and value of a position, in place of what was there.</summary>
    /// <param name="position">0 to Capacity - 1.</param>
    /// <param name="key">(Heads * HeadDim).</param>
    /// <param name="value">(Heads * ValueDim).</param>
    /// <exception cref="ArgumentException">A span does not have the stated length.</exception>
    public void Set(int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, Capacity);
        if (key.Length != Heads * HeadDim)
            throw new ArgumentException($"key has {key.Length} values, expected {Heads} x {HeadDim}", nameof(key));
        if (value.Length != Heads * ValueDim)
            throw new ArgumentException($"value has {value.Length} values, expected {Heads} x {ValueDim}", nameof(value));
        Span<ushort> row = stackalloc ushort[Math.Max(HeadDim, ValueDim)];
        for (int head = 0; head < Heads; head++)
        {
            BFloat16.FromSingle(key.Slice(head * HeadDim, HeadDim), row);
            SetKey(head, position, row[..HeadDim]);
            BFloat16.FromSingle(value.Slice(head * ValueDim, ValueDim), row);
            SetValue(head, position, row[..ValueDim]);
        }

        Fill(position + 1);
        GC.KeepAlive(this);
    }

    /// <summary>Reads the key and value of a position back.</summary>
    /// <param name="position">0 to Capacity - 1; must have been set.</param>
    /// <param name="key">Receives (Heads * HeadDim).</param>
    /// <param name="value">Receives (Heads * ValueDim).</param>
    public void Get(int position, Span<float> key, Span<float> value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, Capacity);
        for (int i = 0; i < Heads * HeadDim; i++) key[i] = BFloat16.ToSingle(*KeyAt(i / HeadDim, position, i % HeadDim));
        for (int i = 0; i < Heads * ValueDim; i++) value[i] = BFloat16.ToSingle(*ValueAt(i / ValueDim, position, i % ValueDim));
        GC.KeepAlive(this);
    }

    /// <summary>Bytes of one position outside of a store.</summary>
    public int PositionBytes => sizeof(ushort) * Heads * (HeadDim + ValueDim);

    /// <summary>Copies positions as they are held, key before value, position by position: what <see cref="Import"/> takes.</summary>
    /// <param name="start">First position.</param>
    /// <param name="state">Receives <see cref="PositionBytes"/> per position.</param>
    public void Export(int start, Span<byte> state)
    {
        int count = CheckRange(start, state.Length);
        Span<ushort> rows = MemoryMarshal.Cast<byte, ushort>(state);
        for (int position = start; position < start + count; position++)
        {
            for (int i = 0; i < Heads * HeadDim; i++) rows[i] = *KeyAt(i / HeadDim, position, i % HeadDim);
            rows = rows[(Heads * HeadDim)..];
            for (int i = 0; i < Heads * ValueDim; i++) rows[i] = *ValueAt(i / ValueDim, position, i % ValueDim);
            rows = rows[(Heads * ValueDim)..];
        }

        GC.KeepAlive(this);
    }

    /// <summary>Stores positions that another store of the same shape exported.</summary>
    /// <param name="start">First position.</param>
    /// <param name="state">What <see cref="Export"/> gave.</param>
    public void Import(int start, ReadOnlySpan<byte> state)
    {
        int count = CheckRange(start, state.Length);
        ReadOnlySpan<ushort> rows = MemoryMarshal.Cast<byte, ushort>(state);
        for (int position = start; position < start + count; position++)
        {
            for (int head = 0; head < Heads; head++, rows = rows[HeadDim..]) SetKey(head, position, rows[..HeadDim]);
            for (int head = 0; head < Heads; head++, rows = rows[ValueDim..]) SetValue(head, position, rows[..ValueDim]);
            Fill(position + 1);
        }

        GC.KeepAlive(this);
    }

    /// <summary>Copies the first positions of a store of the same shape, whatever its capacity: a prompt that two conversations share.</summary>
    /// <param name="source">Where to copy from.</param>
    /// <param name="count">Positions, 0 to the smaller capacity.</param>
    /// <exception cref="ArgumentException">The stores have different heads.</exception>
    public void CopyFrom(KeyValueStore source, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Math.Min(Capacity, source.Capacity));
        if ((source.Heads, source.HeadDim, source.ValueDim) != (Heads, HeadDim, ValueDim))
            throw new ArgumentException($"{source.Heads} heads of {source.HeadDim} and {source.ValueDim} do not fit {Heads} of {HeadDim} and {ValueDim}", nameof(source));
        long keyBytes = Panels(count) * KeyPanelBytes, valueBytes = Pairs(count) * LineBytes;
        for (int head = 0; head < Heads; head++)
        {
            Buffer.MemoryCopy(source.Keys(head), Keys(head), keyBytes, keyBytes);
            for (long panel = 0; panel < Panels(ValueDim); panel++)
                Buffer.MemoryCopy(source.Values(head) + panel * source.ValuePanelBytes, Values(head) + panel * ValuePanelBytes, valueBytes, valueBytes);
        }

        Fill(count);
        GC.KeepAlive(source);
        GC.KeepAlive(this);
    }

    /// <summary>The keys of a head.</summary>
    internal byte* Keys(int head) => memory.Pointer + head * keyHeadBytes;

    /// <summary>The values of a head.</summary>
    internal byte* Values(int head) => memory.Pointer + Heads * keyHeadBytes + head * valueHeadBytes;

    private int CheckRange(int start, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        if (bytes % PositionBytes != 0 || bytes / PositionBytes > Capacity - start)
            throw new ArgumentException($"{bytes} bytes from position {start} on are not whole positions of {PositionBytes} within {Capacity}", nameof(bytes));
        return bytes / PositionBytes;
    }

    private static long Panels(int rows) => (rows + PanelRows - 1) / PanelRows;

    private static long Pairs(int inputs) => (inputs + 1L) / 2;

    private void SetKey(int head, int position, ReadOnlySpan<ushort> key)
    {
        uint* words = (uint*)KeyAt(head, position, 0);
        for (int d = 0; d < key.Length; d += 2, words += PanelRows) *words = key[d] | (d + 1 < key.Length ? (uint)key[d + 1] << 16 : 0);
    }

    private void SetValue(int head, int position, ReadOnlySpan<ushort> value)
    {
        // The other position of the pair keeps its value, or begins with zero.
        bool isFirst = position >= filled && position % 2 == 0;
        for (int d = 0; d < value.Length; d++)
        {
            ushort* element = ValueAt(head, position, d);
            *element = value[d];
            if (isFirst) element[1] = 0;
        }
    }

    private void Fill(int positions) => filled = Math.Max(filled, (int)Math.Min(2 * Pairs(positions), int.MaxValue));

    /// <summary>An even dimension's word holds the next dimension too.</summary>
    private ushort* KeyAt(int head, int position, int dimension) =>
        (ushort*)(Keys(head) + position / PanelRows * KeyPanelBytes + (nint)(dimension / 2) * LineBytes) + position % PanelRows * 2 + dimension % 2;

    /// <summary>An even position's word holds the next position too.</summary>
    private ushort* ValueAt(int head, int position, int dimension) =>
        (ushort*)(Values(head) + dimension / PanelRows * ValuePanelBytes + (nint)(position / 2) * LineBytes) + dimension % PanelRows * 2 + position % 2;
}
