using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// The linear magnitude spectrogram VITS reads recordings with: periodic Hann window, edges mirrored over (window - hop) / 2
/// samples, sqrt(re^2 + im^2 + 1e-6).
/// </summary>
public sealed class LinearSpectrogram
{
    private const float PowerGuard = 1e-6f;

    private readonly RealFft fft;
    private readonly float[] window;
    private readonly int hop;

    /// <summary>Creates the tables.</summary>
    /// <param name="fftLength">Transform and window length; a power of two from 4 to 65536.</param>
    /// <param name="hop">Samples from one frame to the next, 1 to <paramref name="fftLength"/>.</param>
    public LinearSpectrogram(int fftLength, int hop)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hop, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(hop, fftLength);
        fft = new RealFft(fftLength);
        this.hop = hop;
        window = new float[fftLength];
        for (int i = 0; i < fftLength; i++) window[i] = (float)(0.5 - 0.5 * Math.Cos(2 * Math.PI * i / fftLength));
    }

    /// <summary>Magnitudes per frame.</summary>
    public int Bins => fft.Bins;

    /// <summary>Shortest input: its edges can be mirrored and it fills one frame.</summary>
    public int MinimumSamples => Math.Max((fft.Length - hop) / 2 + 1, hop);

    /// <summary>Magnitudes (samples / hop, bins) of a signal.</summary>
    /// <param name="samples">Mono samples.</param>
    /// <exception cref="EmovaException">There are fewer than <see cref="MinimumSamples"/>.</exception>
    public float[] Compute(ReadOnlySpan<float> samples)
    {
        if (samples.Length < MinimumSamples)
            throw new EmovaException($"a recording of {samples.Length} samples is too short, at least {MinimumSamples} are needed");
        int padding = (fft.Length - hop) / 2, frames = (samples.Length + 2 * padding - fft.Length) / hop + 1;
        float[] result = new float[frames * Bins], frame = new float[fft.Length], imaginary = new float[Bins];
        for (int t = 0; t < frames; t++)
        {
            for (int i = 0; i < frame.Length; i++) frame[i] = window[i] * samples[Mirror(t * hop + i - padding, samples.Length)];
            Span<float> row = result.AsSpan(t * Bins, Bins);
            fft.Forward(frame, row, imaginary);
            for (int k = 0; k < Bins; k++) row[k] = MathF.Sqrt(row[k] * row[k] + imaginary[k] * imaginary[k] + PowerGuard);
        }

        return result;
    }

    private static int Mirror(int index, int length) => index < 0 ? -index : index >= length ? 2 * (length - 1) - index : index;
}
