namespace Emova.Models.Language;

/// <summary>
/// The state of one conversation: keys and values of every position so far, and the buffers for computing the next ones.
/// Memory is reserved once; going back to an earlier length costs nothing. Sessions share the weights of one model; one cache
/// must not be used from two threads at once.
/// </summary>
public sealed class KvCache
{
    private readonly float[][] keys;
    private readonly float[][] values;

    internal KvCache(Qwen2Config config, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Config = config;
        Capacity = capacity;
        keys = new float[config.NumHiddenLayers][];
        values = new float[config.NumHiddenLayers][];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = GC.AllocateUninitializedArray<float>(checked(capacity * config.KeyValueDim));
            values[i] = GC.AllocateUninitializedArray<float>(checked(capacity * config.KeyValueDim));
        }

        Scratch = new Qwen2Scratch(config);
    }

    /// <summary>Positions for which memory is reserved.</summary>
    public int Capacity { get; }

    /// <summary>Positions held, which is also the position of the next token.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes of the keys and values.</summary>
    public long SizeInBytes => SizeFor(Config, Capacity);

    internal Qwen2Config Config { get; }

    internal Qwen2Scratch Scratch { get; }

    /// <summary>Bytes that the keys and values of <paramref name="capacity"/> positions take.</summary>
    public static long SizeFor(Qwen2Config config, int capacity) =>
        2L * sizeof(float) * config.NumHiddenLayers * config.KeyValueDim * capacity;

    /// <summary>Forgets all positions from <paramref name="length"/> on, in constant time.</summary>
    /// <param name="length">New length, 0 to <see cref="Length"/>.</param>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Keys of a layer, (Capacity, KeyValueDim), after rotary embedding.</summary>
    internal Span<float> Keys(int layer) => keys[layer];

    /// <summary>Values of a layer, (Capacity, KeyValueDim).</summary>
    internal Span<float> Values(int layer) => values[layer];

    internal void Advance(int count) => Length += count;
}
