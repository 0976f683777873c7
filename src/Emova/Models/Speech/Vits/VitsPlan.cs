namespace Emova.Models.Speech.Vits;

/// <summary>Everything about an utterance that is known before its frames are computed.</summary>
/// <param name="Units">What the unit encoder says.</param>
/// <param name="LogDurations">Natural logarithm of the frames of each unit, before rounding up and speed.</param>
/// <param name="FramesPerUnit">Frames of each unit.</param>
internal sealed record VitsPlan(EncodedUnits Units, float[] LogDurations, int[] FramesPerUnit)
{
    /// <summary>Frames of the utterance, at least 1.</summary>
    public int FrameCount => Math.Max(1, FramesPerUnit.Sum());

    /// <summary>Prior frames from <paramref name="start"/> on: mean of their unit plus noise of its deviation.</summary>
    /// <param name="start">First frame.</param>
    /// <param name="rows">Receives (n, C).</param>
    /// <param name="options">Noise and its scale.</param>
    public void Prior(int start, Span<float> rows, VitsOptions options)
    {
        int channels = Units.Mean.Length / FramesPerUnit.Length;
        options.PriorNoise(start, channels, rows);
        for (int unit = 0, end = 0; unit < FramesPerUnit.Length; unit++)
        {
            int begin = end;
            end += FramesPerUnit[unit];
            for (int t = Math.Max(begin, start); t < end && t < start + rows.Length / channels; t++)
            {
                Span<float> row = rows.Slice((t - start) * channels, channels);
                for (int c = 0; c < channels; c++)
                    row[c] = Units.Mean[unit * channels + c] + row[c] * MathF.Exp(Units.LogDeviation[unit * channels + c]) * options.NoiseScale;
            }
        }
    }
}
