using System.Text;

namespace Emova.Training.Data;

/// <summary>SplitMix64: the same numbers on every platform and runtime, unlike <see cref="Random"/>.</summary>
public sealed class DeterministicRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong NextBits() => Mix(_state += 0x9E3779B97F4A7C15UL);

    /// <summary>Uniform in [0, 1).</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [low, high).</summary>
    public double Between(double low, double high) => low + ((high - low) * NextDouble());

    /// <summary>Uniform in 0..count-1.</summary>
    public int Next(int count) => (int)(NextBits() % (ulong)count);

    /// <summary>Uniform in low..high, both included.</summary>
    public int Between(int low, int high) => low + Next(high - low + 1);

    public bool Chance(double probability) => NextDouble() < probability;

    public T Pick<T>(IReadOnlyList<T> items) => items[Next(items.Count)];

    public void Shuffle<T>(IList<T> items)
    {
        for (int i = items.Count - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>Well mixed 64-bit hash of a text (FNV-1a of its UTF-8 bytes, then a finalizer).</summary>
    public static ulong Hash(string text, ulong seed = 0)
    {
        ulong hash = 0xCBF29CE484222325UL ^ Mix(seed);
        foreach (byte b in Encoding.UTF8.GetBytes(text))
            hash = (hash ^ b) * 0x100000001B3UL;
        return Mix(hash);
    }

    /// <summary>A number in [0, 1) that depends only on the text and the seed.</summary>
    public static double Fraction(string text, ulong seed) => (Hash(text, seed) >> 11) * (1.0 / (1UL << 53));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
