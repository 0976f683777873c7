namespace Emova.Media;

/// <summary>
/// Triangular mel filters on the scale of Slaney's Auditory Toolbox (linear below 1 kHz, logarithmic above), each scaled
/// to unit area; what librosa builds by default.
/// </summary>
public static class SlaneyMelFilterbank
{
    private const double LinearStep = 200.0 / 3;   // Hz per mel below the break
    private const double BreakFrequency = 1000;
    private const double BreakMel = BreakFrequency / LinearStep;
    private static readonly double LogStep = Math.Log(6.4) / 27;

    /// <summary>Builds the filters.</summary>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="fftLength">Transform length; there are fftLength / 2 + 1 bins.</param>
    /// <param name="features">Number of filters, at least 1.</param>
    /// <param name="lowFrequency">Lower edge of the first filter in Hz.</param>
    /// <param name="highFrequency">Upper edge of the last filter in Hz; half the sample rate when null.</param>
    /// <returns>Weights (features, fftLength / 2 + 1), row-major.</returns>
    public static float[] Create(int sampleRate, int fftLength, int features, double lowFrequency = 0, double? highFrequency = null)
    {
        double high = highFrequency ?? sampleRate / 2.0;
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleRate, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(fftLength, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(lowFrequency);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(high, lowFrequency, nameof(highFrequency));

        double lowMel = ToMel(lowFrequency), highMel = ToMel(high);
        double[] edges = new double[features + 2];
        for (int i = 0; i < edges.Length; i++) edges[i] = ToFrequency(lowMel + (highMel - lowMel) * i / (features + 1));

        int bins = fftLength / 2 + 1;
        float[] weights = new float[features * bins];
        for (int row = 0; row < features; row++)
        {
            double left = edges[row], center = edges[row + 1], right = edges[row + 2];
            for (int bin = 0; bin < bins; bin++)
            {
                double frequency = (double)bin * sampleRate / fftLength;
                double rising = (frequency - left) / (center - left), falling = (right - frequency) / (right - center);
                weights[row * bins + bin] = (float)(Math.Max(0, Math.Min(rising, falling)) * 2 / (right - left));
            }
        }

        return weights;
    }

    private static double ToMel(double frequency) =>
        frequency < BreakFrequency ? frequency / LinearStep : BreakMel + Math.Log(frequency / BreakFrequency) / LogStep;

    private static double ToFrequency(double mel) =>
        mel < BreakMel ? mel * LinearStep : BreakFrequency * Math.Exp((mel - BreakMel) * LogStep);
}
