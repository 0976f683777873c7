namespace Emova.Models;

/// <summary>
/// Rotary position embedding. Pairs of a head are elements i and i + headDim / 2 (half rotation), or neighbors in DeepSeek-V2.
/// </summary>
internal static class RotaryEmbedding
{
    /// <summary>theta^(-2 i / dimensions) for i = 0 .. dimensions / 2 - 1, rounded as the reference's float32 computation.</summary>
    public static float[] InverseFrequencies(int dimensions, double theta)
    {
        float[] frequencies = new float[dimensions / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = 1f / (float)Math.Pow(theta, 2f * i / dimensions);
        return frequencies;
    }

    /// <summary>Rotates consecutive heads in place.</summary>
    /// <param name="heads">One or more heads of 2 * <c>cos.Length</c> values.</param>
    /// <param name="cos">Cosines of the angles of the head's pairs.</param>
    /// <param name="sin">Sines of the same angles.</param>
    public static void Rotate(Span<float> heads, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        int half = cos.Length;
        for (int start = 0; start < heads.Length; start += 2 * half)
        {
            Span<float> low = heads.Slice(start, half), high = heads.Slice(start + half, half);
            for (int i = 0; i < low.Length; i++)
            {
                (float a, float b) = (low[i], high[i]);
                low[i] = a * cos[i] - b * sin[i];
                high[i] = b * cos[i] + a * sin[i];
            }
        }
    }

    /// <summary>Rotates neighboring elements of one head in place.</summary>
    /// <param name="head">2 * <c>cos.Length</c> values.</param>
    /// <param name="cos">Cosines of the angles of the head's pairs.</param>
    /// <param name="sin">Sines of the same angles.</param>
    public static void RotatePairs(Span<float> head, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        for (int i = 0; i < cos.Length; i++)
        {
            (float a, float b) = (head[2 * i], head[2 * i + 1]);
            head[2 * i] = a * cos[i] - b * sin[i];
            head[2 * i + 1] = b * cos[i] + a * sin[i];
        }
    }
}
