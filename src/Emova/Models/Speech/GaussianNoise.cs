namespace Emova.Models.Speech;

/// <summary>Standard normal values addressed by index: the same seed and index give the same value in any order of asking.</summary>
internal static class GaussianNoise
{
    /// <summary>Fills values with the noise at indices <paramref name="start"/>, start + 1, ...</summary>
    public static void Fill(ulong seed, long start, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            long index = start + i;
            (float even, float odd) = Pair(seed, index >> 1);
            values[i] = (index & 1) == 0 ? even : odd;
            if ((index & 1) == 0 && i + 1 < values.Length) values[++i] = odd;
        }
    }

    // Box and Muller's transform of the two halves of one hash.
    private static (float Even, float Odd) Pair(ulong seed, long pair)
    {
        ulong bits = Mix(Mix(seed) + (ulong)pair);
        double radius = Math.Sqrt(-2 * Math.Log(((bits >> 32) + 1) * (1.0 / 4294967296.0)));
        (double sine, double cosine) = Math.SinCos((uint)bits * (2 * Math.PI / 4294967296.0));
        return ((float)(radius * cosine), (float)(radius * sine));
    }

    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014) over a Weyl sequence.
    private static ulong Mix(ulong value)
    {
        value = (value + 1) * 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
