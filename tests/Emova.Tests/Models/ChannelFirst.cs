namespace Emova.Tests.Models;

/// <summary>Between the reference's (B, C, T) and the runtime's (T, C) per row of a batch.</summary>
internal static class ChannelFirst
{
    /// <summary>Row b of (B, C, T), the first <paramref name="frames"/> of it, as (frames, C).</summary>
    public static float[] Row(ReadOnlySpan<float> batch, int b, int channels, int total, int frames)
    {
        float[] row = new float[frames * channels];
        for (int c = 0; c < channels; c++)
        {
            for (int t = 0; t < frames; t++) row[t * channels + c] = batch[(b * channels + c) * total + t];
        }

        return row;
    }

    /// <summary>Writes (frames, C) into row b of (B, C, T).</summary>
    public static void Put(ReadOnlySpan<float> row, Span<float> batch, int b, int channels, int total)
    {
        for (int t = 0; t < row.Length / channels; t++)
        {
            for (int c = 0; c < channels; c++) batch[(b * channels + c) * total + t] = row[t * channels + c];
        }
    }
}
