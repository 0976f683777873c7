using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>Rounds blocks of 32 values to integers times one scale.</summary>
internal static unsafe class BlockQuantizer
{
    // Below this the reciprocal of a scale would overflow; such a block is as good as zero.
    private const float Smallest = 1e-30f;

    // The int4 scale that keeps the largest value exact is rarely the best: of the scales -max / d the one with the least squared
    // error is taken.
    private static ReadOnlySpan<float> Divisors => [8f, 8.4f, 7.6f, 8.8f, 7.2f, 9.2f, 6.8f, 9.6f, 6.4f, 10f, 6f];

    /// <summary>Codes -8 to 7.</summary>
    /// <param name="values">32 values.</param>
    /// <param name="codes">Receives 32 codes.</param>
    /// <returns>Bit pattern of the bfloat16 scale.</returns>
    public static ushort ToInt4(ReadOnlySpan<float> values, Span<sbyte> codes)
    {
        float extreme = 0;
        foreach (float value in values)
        {
            if (Math.Abs(value) > Math.Abs(extreme))
                extreme = value;
        }

        codes.Clear();
        if (!(Math.Abs(extreme) >= Smallest))
            return 0;
        ushort best = 0;
        float least = float.PositiveInfinity;
        foreach (float divisor in Divisors)
        {
            // The value of largest magnitude becomes -8 or so: the negative side has one code more.
            ushort candidate = BFloat16.FromSingle(extreme / -divisor);
            float error = Int4Error(values, BFloat16.ToSingle(candidate));
            if (error < least)
                (best, least) = (candidate, error);
        }

        float scale = BFloat16.ToSingle(best);
        for (int i = 0; i < codes.Length; i++)
            codes[i] = (sbyte)Math.Clamp(MathF.Round(values[i] * (1 / scale)), -8, 7);
        return best;
    }

    /// <summary>Codes -127 to 127.</summary>
    /// <param name="values">32 values.</param>
    /// <param name="codes">Receives 32 codes.</param>
    /// <returns>Bit pattern of the bfloat16 scale.</returns>
    public static ushort ToInt8(ReadOnlySpan<float> values, Span<sbyte> codes)
    {
        float largest = 0;
        foreach (float value in values)
            largest = Math.Max(largest, Math.Abs(value));
        codes.Clear();
        if (!(largest >= Smallest))
            return 0;
        ushort stored = BFloat16.FromSingle(largest / 127);
        float scale = BFloat16.ToSingle(stored);
        for (int i = 0; i < codes.Length; i++)
            codes[i] = (sbyte)Math.Clamp(MathF.Round(values[i] * (1 / scale)), -127, 127);
        return stored;
    }

    private static float Int4Error(ReadOnlySpan<float> values, float scale)
    {
        Vector256<float> s = Vector256.Create(scale), inverse = Vector256.Create(1 / scale), low = Vector256.Create(-8f), high = Vector256.Create(7f);
        Vector256<float> sum = default;
        for (int i = 0; i < values.Length; i += Vector256<float>.Count)
        {
            Vector256<float> x = Vector256.Create(values[i..]);
            Vector256<float> code = Vector256.Min(Vector256.Max(Vector256.Round(x * inverse), low), high);
            Vector256<float> difference = x - code * s;
            sum += difference * difference;
        }

        return Vector256.Sum(sum);
    }
}
