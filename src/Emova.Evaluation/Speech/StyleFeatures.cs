using Emova.Media;

namespace Emova.Evaluation.Speech;

/// <summary>What a listener would call the manner of speaking, measured on the waveform.</summary>
/// <param name="Pitch">Mean f0 of voiced frames, semitones above 100 Hz.</param>
/// <param name="PitchSpread">Standard deviation of f0, semitones.</param>
/// <param name="Level">Root mean square of the active frames, dB of full scale.</param>
/// <param name="Rate">Characters of the text per second of active speech.</param>
/// <param name="Tilt">Level above 2.5 kHz relative to the level below, dB.</param>
public sealed record StyleFeatures(double Pitch, double PitchSpread, double Level, double Rate, double Tilt)
{
    private const double ActiveBelowLoudest = 30; // dB

    /// <summary>The features as a vector (5).</summary>
    public double[] ToVector() => [Pitch, PitchSpread, Level, Rate, Tilt];

    /// <summary>Measures mono 16 kHz speech that says <paramref name="text"/>. Null when no voiced speech is found.</summary>
    public static StyleFeatures? Measure(ReadOnlySpan<float> samples, string text)
    {
        PitchTrack track = new PitchTracker().Track(samples);
        double[] voiced = [.. track.Frequency.Where(f => f > 0).Select(f => 12 * Math.Log2(f / 100))];
        if (voiced.Length < 10) return null;

        double loudest = track.LogEnergy.Max();
        double threshold = loudest - ActiveBelowLoudest * Math.Log(10) / 20;
        int first = Array.FindIndex(track.LogEnergy, e => e > threshold), last = Array.FindLastIndex(track.LogEnergy, e => e > threshold);
        double power = track.LogEnergy.Where(e => e > threshold).Average(e => Math.Exp(2 * e));
        double seconds = (last - first + 1) * PitchTracker.Hop / (double)PitchTracker.SampleRate;

        // Octave errors are rare but far away: the middle 90 % say more about the speaker than the extremes.
        Array.Sort(voiced);
        double[] middle = voiced[(voiced.Length / 20)..(voiced.Length - voiced.Length / 20)];
        double mean = middle.Average();
        double spread = Math.Sqrt(middle.Average(p => (p - mean) * (p - mean)));
        return new StyleFeatures(mean, spread, 10 * Math.Log10(power), text.Count(c => !char.IsWhiteSpace(c)) / seconds, TiltOf(samples));
    }

    private static double TiltOf(ReadOnlySpan<float> samples)
    {
        // One-pole split at 2.5 kHz: crude, but the same for every recording compared.
        float a = 1 - MathF.Exp(-2 * MathF.PI * 2500 / PitchTracker.SampleRate), low = 0;
        double below = 1e-12, above = 1e-12;
        foreach (float sample in samples)
        {
            low += a * (sample - low);
            below += (double)low * low;
            above += (double)(sample - low) * (sample - low);
        }
        return 10 * Math.Log10(above / below);
    }
}
