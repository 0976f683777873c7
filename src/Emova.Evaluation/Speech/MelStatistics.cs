using Emova.Media;
using Emova.Numerics;

namespace Emova.Evaluation.Speech;

/// <summary>Mean and deviation of the log-mel bands of a recording: what an ordinary representation of speech still says about style.</summary>
public static class MelStatistics
{
    /// <summary>Mel bands.</summary>
    public const int Bands = 40;

    private const int FftLength = 512;
    private const int Hop = 160;

    private static readonly float[] Filterbank = SlaneyMelFilterbank.Create(16000, FftLength, Bands); // (Bands, FftLength / 2 + 1)
    private static readonly RealFft Fft = new(FftLength);

    /// <summary>Means, then standard deviations, over all frames. Shape (80).</summary>
    public static float[] Measure(ReadOnlySpan<float> samples)
    {
        const int bins = FftLength / 2 + 1;
        int frames = Math.Max(1, (samples.Length - FftLength) / Hop + 1);
        Span<float> frame = stackalloc float[FftLength], real = stackalloc float[bins], imaginary = stackalloc float[bins];
        double[] sum = new double[Bands], squares = new double[Bands];
        for (int t = 0; t < frames; t++)
        {
            frame.Clear();
            ReadOnlySpan<float> piece = samples[Math.Min(t * Hop, samples.Length)..];
            piece[..Math.Min(FftLength, piece.Length)].CopyTo(frame);
            for (int i = 0; i < FftLength; i++) frame[i] *= 0.5f - 0.5f * MathF.Cos(2 * MathF.PI * i / FftLength);
            Fft.Forward(frame, real, imaginary);
            for (int i = 0; i < bins; i++) real[i] = real[i] * real[i] + imaginary[i] * imaginary[i];
            for (int band = 0; band < Bands; band++)
            {
                double value = Math.Log(VectorMath.Dot(real, Filterbank.AsSpan(band * bins, bins)) + 1e-8);
                sum[band] += value;
                squares[band] += value * value;
            }
        }

        var result = new float[2 * Bands];
        for (int band = 0; band < Bands; band++)
        {
            double mean = sum[band] / frames;
            result[band] = (float)mean;
            result[Bands + band] = (float)Math.Sqrt(Math.Max(0, squares[band] / frames - mean * mean));
        }
        return result;
    }
}
