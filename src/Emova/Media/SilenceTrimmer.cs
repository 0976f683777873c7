namespace Emova.Media;

/// <summary>
/// Cuts silence off the ends of a recording. Speech encoders that normalize over a whole utterance hear it differently with a second of
/// silence around it; recordings they are trained on have little.
/// </summary>
public static class SilenceTrimmer
{
    private const int FramesPerSecond = 100;

    // Loudness of a frame is taken over three, so that a click does not count as speech.
    private const int Reach = 1;

    // Speech is what lies within 40 dB of the loudest frame and in the upper three quarters of the range between noise and speech.
    private const float RangeDb = 40, NoiseShare = 0.25f, NoisePercentile = 0.1f;

    // Below this distance between noise and speech there is nothing to tell apart.
    private const float SmallestRangeDb = 12;

    /// <summary>The recording without the silence at its ends.</summary>
    /// <param name="clip">Any sample rate of 1000 Hz and more.</param>
    /// <param name="keepMilliseconds">Silence that stays at each end, 0 or more.</param>
    /// <returns>The same object when there is nothing to cut.</returns>
    public static AudioClip Trim(AudioClip clip, int keepMilliseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(keepMilliseconds);
        (int first, int end) = Find(clip);
        int keep = (int)((long)keepMilliseconds * clip.SampleRate / 1000);
        int from = Math.Max(0, first - keep), to = Math.Min(clip.Samples.Length, end + keep);
        return to - from == clip.Samples.Length ? clip : clip with { Samples = clip.Samples[from..to] };
    }

    /// <summary>Where the speech of a recording begins and ends.</summary>
    /// <param name="clip">Any sample rate of 1000 Hz and more.</param>
    /// <returns>Its first sample and the one after its last; the whole recording when nothing in it stands out.</returns>
    public static (int First, int End) Find(AudioClip clip)
    {
        ArgumentNullException.ThrowIfNull(clip);
        int frame = clip.SampleRate / FramesPerSecond, count = frame == 0 ? 0 : clip.Samples.Length / frame;
        if (count <= (2 * Reach) + 1)
            return (0, clip.Samples.Length);
        float[] loudness = Loudness(clip.Samples, frame, count);
        float[] sorted = [.. loudness.Order()];
        float loudest = sorted[^1], noise = Math.Max(sorted[(int)(NoisePercentile * count)], loudest - RangeDb);
        if (loudest - noise < SmallestRangeDb)
            return (0, clip.Samples.Length);
        float threshold = noise + (NoiseShare * (loudest - noise));
        int first = Array.FindIndex(loudness, value => value >= threshold), last = Array.FindLastIndex(loudness, value => value >= threshold);
        return (first * frame, (last + 1) * frame);
    }

    /// <summary>Level of each frame and its neighbors in dB.</summary>
    private static float[] Loudness(float[] samples, int frame, int count)
    {
        float[] power = new float[count];
        for (int i = 0; i < count; i++)
        {
            foreach (float sample in samples.AsSpan(i * frame, frame))
                power[i] += sample * sample;
        }

        float[] loudness = new float[count];
        for (int i = 0; i < count; i++)
        {
            int from = Math.Max(0, i - Reach), to = Math.Min(count, i + Reach + 1);
            float sum = 0;
            foreach (float value in power.AsSpan(from, to - from))
                sum += value;
            loudness[i] = 10 * MathF.Log10((sum / ((to - from) * frame)) + 1e-12f);
        }

        return loudness;
    }
}
