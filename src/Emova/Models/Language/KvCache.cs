using System.Runtime.InteropServices;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// The state of one conversation: keys and values of every position so far. Memory grows with the conversation up to a capacity;
/// going back to an earlier length costs nothing. Conversations share the weights of one model; one cache must not be used from
/// two threads at once.
/// </summary>
public sealed class KvCache
{
    private const int FirstReserve = 512;

    // Of each layer, in the one or the other format.
    private readonly float[][] keys;
    private readonly float[][] values;
    private readonly KeyValueStore[] stores;
    private DecodeBatch? alone;

    internal KvCache(LanguageConfig config, int capacity, int firstPosition, LoraAdapter? adapter = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        Config = config;
        Capacity = capacity;
        FirstPosition = firstPosition;
        Adapter = adapter;
        int layers = config.NumHiddenLayers;
        keys = new float[IsHalf ? 0 : layers][];
        values = new float[IsHalf ? 0 : layers][];
        stores = new KeyValueStore[IsHalf ? layers : 0];
        Array.Fill(keys, []);
        Array.Fill(values, []);
    }

    /// <summary>Most positions.</summary>
    public int Capacity { get; }

    /// <summary>How the model is changed for this conversation; null = not at all.</summary>
    public LoraAdapter? Adapter { get; }

    /// <summary>Number of the first position held.</summary>
    public int FirstPosition { get; }

    /// <summary>Positions held.</summary>
    public int Length { get; private set; }

    /// <summary>Positions for which memory is reserved.</summary>
    public int Reserved { get; private set; }

    /// <summary>Bytes of the keys and values of a full conversation.</summary>
    public long SizeInBytes => SizeFor(Config, Capacity);

    /// <summary>Bytes of the keys and values that are reserved now.</summary>
    public long ReservedBytes => SizeFor(Config, Reserved);

    internal LanguageConfig Config { get; }

    private bool IsHalf => Config.CacheFormat == WeightFormat.BFloat16;

    private int HeadDim => Config.KeyDim / Config.NumKeyValueHeads;

    private int HeadValueDim => Config.ValueDim / Config.NumKeyValueHeads;

    /// <summary>Bytes that the keys and values of <paramref name="capacity"/> positions take.</summary>
    public static long SizeFor(LanguageConfig config, int capacity)
    {
        ArgumentNullException.ThrowIfNull(config);
        int heads = config.NumKeyValueHeads;
        return config.CacheFormat == WeightFormat.BFloat16
            ? config.NumHiddenLayers * (capacity == 0 ? 0 : KeyValueStore.SizeFor(capacity, heads, config.KeyDim / heads, config.ValueDim / heads))
            : StateBytes(config, capacity);
    }

    /// <summary>Bytes of some positions outside of a cache, as <see cref="Export"/> writes them.</summary>
    internal static long StateBytes(LanguageConfig config, int count) =>
        (config.CacheFormat == WeightFormat.BFloat16 ? sizeof(ushort) : sizeof(float)) * (long)config.NumHiddenLayers * (config.KeyDim + config.ValueDim) * count;

    /// <summary>Forgets all positions from <paramref name="length"/> on, in constant time.</summary>
    /// <param name="length">New length, 0 to <see cref="Length"/>.</param>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Reserves memory ahead, so that the conversation allocates nothing up to that length.</summary>
    /// <param name="positions">At most <see cref="Capacity"/>.</param>
    public void Reserve(int positions)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(positions, Capacity);
        if (positions <= Reserved)
            return;
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = Grow(keys[i], positions, Config.KeyDim);
            values[i] = Grow(values[i], positions, Config.ValueDim);
        }

        for (int i = 0; i < stores.Length; i++)
        {
            KeyValueStore grown = new(positions, Config.NumKeyValueHeads, HeadDim, HeadValueDim);
            if (Length > 0)
                grown.CopyFrom(stores[i], Length);
            stores[i] = grown;
        }

        Reserved = positions;
    }

    /// <summary>Stores the key and value of a position of a layer; room must have been made.</summary>
    /// <param name="layer">Number of the layer.</param>
    /// <param name="position">Position within the cache.</param>
    /// <param name="key">(KeyDim), after rotary embedding.</param>
    /// <param name="value">(ValueDim).</param>
    internal void Set(int layer, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        if (IsHalf)
        {
            stores[layer].Set(position, key, value);
            return;
        }

        key.CopyTo(keys[layer].AsSpan(position * Config.KeyDim));
        value.CopyTo(values[layer].AsSpan(position * Config.ValueDim));
    }

    /// <summary>Attention of the rows behind the end, whose keys and values have been set, to all positions before and their own.</summary>
    /// <param name="layer">Number of the layer.</param>
    /// <param name="q">Queries of all heads.</param>
    /// <param name="qStride">Distance of two query rows.</param>
    /// <param name="y">Receives the values of all heads.</param>
    /// <param name="yStride">Distance of two result rows.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="heads">Number of query heads.</param>
    /// <param name="scale">Factor of the scores.</param>
    internal void Attend(int layer, ReadOnlySpan<float> q, int qStride, Span<float> y, int yStride, int rows, int heads, float scale)
    {
        if (IsHalf)
        {
            AttentionKernel.Causal(q, qStride, stores[layer], y, yStride, rows, Length, heads, scale);
            return;
        }

        AttentionKernel.Causal(
            q, qStride, keys[layer], Config.KeyDim, values[layer], Config.ValueDim, y, yStride, rows, Length, heads, Config.NumKeyValueHeads, HeadDim,
            scale, valueDim: HeadValueDim);
    }

    /// <summary>Keys of a layer, (Reserved, KeyDim), after rotary embedding; in float32 only.</summary>
    internal Span<float> Keys(int layer) => keys[layer];

    /// <summary>Values of a layer, (Reserved, ValueDim); in float32 only.</summary>
    internal Span<float> Values(int layer) => values[layer];

    /// <summary>Makes sure that <paramref name="count"/> more positions can be appended. Memory doubles, as a list's.</summary>
    internal void RequireRoom(int count)
    {
        int wanted = Length + count;
        if (wanted > Capacity)
            throw new EmovaException($"the conversation needs {wanted} positions, the context has {Capacity}");
        if (wanted > Reserved)
            Reserve((int)Math.Min(Capacity, Math.Max(wanted, Math.Max(FirstReserve, 2L * Reserved))));
    }

    /// <summary>Positions were written behind the end: they count from now on.</summary>
    internal void Advance(int count) => Length += count;

    /// <summary>Copies what is held of some positions, layer by layer, keys before values.</summary>
    /// <param name="start">First position.</param>
    /// <param name="state">Receives <see cref="StateBytes"/> of the number of positions.</param>
    internal void Export(int start, Span<byte> state)
    {
        int count = checked((int)(state.Length / StateBytes(Config, 1)));
        for (int i = 0; i < keys.Length; i++)
        {
            state = CopyOut(keys[i].AsSpan(start * Config.KeyDim, count * Config.KeyDim), state);
            state = CopyOut(values[i].AsSpan(start * Config.ValueDim, count * Config.ValueDim), state);
        }

        foreach (KeyValueStore store in stores)
        {
            store.Export(start, state[..(count * store.PositionBytes)]);
            state = state[(count * store.PositionBytes)..];
        }
    }

    /// <summary>Appends positions that <see cref="Export"/> gave for the same tokens at the same positions.</summary>
    internal void Import(ReadOnlySpan<byte> state)
    {
        int count = checked((int)(state.Length / StateBytes(Config, 1)));
        RequireRoom(count);
        for (int i = 0; i < keys.Length; i++)
        {
            state = CopyIn(state, keys[i].AsSpan(Length * Config.KeyDim, count * Config.KeyDim));
            state = CopyIn(state, values[i].AsSpan(Length * Config.ValueDim, count * Config.ValueDim));
        }

        foreach (KeyValueStore store in stores)
        {
            store.Import(Length, state[..(count * store.PositionBytes)]);
            state = state[(count * store.PositionBytes)..];
        }

        Length += count;
    }

    /// <summary>The batch for computing this conversation by itself.</summary>
    internal DecodeBatch Alone(LanguageModel model)
    {
        if (alone?.Model != model)
            alone = new DecodeBatch(model);
        alone.Clear();
        return alone;
    }

    private static Span<byte> CopyOut(ReadOnlySpan<float> part, Span<byte> state)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(part);
        bytes.CopyTo(state);
        return state[bytes.Length..];
    }

    private static ReadOnlySpan<byte> CopyIn(ReadOnlySpan<byte> state, Span<float> part)
    {
        Span<byte> bytes = MemoryMarshal.AsBytes(part);
        state[..bytes.Length].CopyTo(bytes);
        return state[bytes.Length..];
    }

    private float[] Grow(float[] old, int positions, int width)
    {
        float[] grown = GC.AllocateUninitializedArray<float>(checked(positions * width));
        old.AsSpan(0, Length * width).CopyTo(grown);
        return grown;
    }
}
