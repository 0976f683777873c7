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

    internal KvCache(LanguageConfig config, int capacity, int firstPosition)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        Config = config;
        Capacity = capacity;
        FirstPosition = firstPosition;
        keys = new float[config.NumHiddenLayers][];
        values = new float[config.NumHiddenLayers][];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = GC.AllocateUninitializedArray<float>(checked(capacity * config.KeyDim));
            values[i] = GC.AllocateUninitializedArray<float>(checked(capacity * config.ValueDim));
        }

        Scratch = new DecoderScratch(config);
    }

    /// <summary>Positions for which memory is reserved.</summary>
    public int Capacity { get; }

    /// <summary>Number of the first position held.</summary>
    public int FirstPosition { get; }

    /// <summary>Positions held.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes of the keys and values.</summary>
    public long SizeInBytes => SizeFor(Config, Capacity);

    internal LanguageConfig Config { get; }

    internal DecoderScratch Scratch { get; }

    /// <summary>Bytes that the keys and values of <paramref name="capacity"/> positions take.</summary>
    public static long SizeFor(LanguageConfig config, int capacity) =>
        (long)sizeof(float) * config.NumHiddenLayers * (config.KeyDim + config.ValueDim) * capacity;

    /// <summary>Forgets all positions from <paramref name="length"/> on, in constant time.</summary>
    /// <param name="length">New length, 0 to <see cref="Length"/>.</param>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Keys of a layer, (Capacity, KeyDim), after rotary embedding.</summary>
    internal Span<float> Keys(int layer) => keys[layer];

    /// <summary>Values of a layer, (Capacity, ValueDim).</summary>
    internal Span<float> Values(int layer) => values[layer];

    internal void Advance(int count) => Length += count;
}
