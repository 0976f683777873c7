namespace Emova.Models;

/// <summary>
/// Rotary position embedding in the half-rotation convention: element i of a head is paired with element i + headDim / 2.
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
}
