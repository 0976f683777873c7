using Emova.Numerics;

namespace Emova.Models.Speech;

/// <summary>
/// Source-filter synthesis as a stream (after neural source-filter models, arXiv 1904.12088, with the inverse Fourier
/// transform as last layer): a band-limited pulse train and white noise are each shaped by one filter per 10 ms frame,
/// the pulse filter with minimum phase, and overlap-added.
/// </summary>
internal sealed class SourceFilterSynthesis
{
    public const int SampleRate = 16000;
    public const int Hop = 160;
    public const int FftLength = 512;
    public const int Bins = FftLength / 2 + 1;

    private const double HighestHarmonic = 7800;
    private const float PulseLimit = 20;
    private const double Tiny = 1e-7; // nearer to a period's start the closed form is 0 / 0; its limit is the number of harmonics
    private const int Half = FftLength / 2;

    private static readonly RealFft Fft = new(FftLength);
    private static readonly float[] Window = CreateWindow();
    private static readonly float[] Normalizer = CreateNormalizer();

    private readonly ulong seed;
    private readonly float[]? givenNoise;
    private readonly FrameBuffer pulses = new(1); // samples from Hop * frames - Half on
    private readonly FrameBuffer noises = new(1);
    private readonly FrameBuffer filters = new(2 * Bins);
    private readonly float[] overlap = new float[FftLength]; // samples from Hop * frames - Half on, unfinished
    private readonly List<float> output = [];
    private double phase;
    private long excitationSamples;
    private long frames; // frames synthesized

    /// <summary>Starts a stream.</summary>
    /// <param name="seed">Seed of the noise.</param>
    /// <param name="givenNoise">Noise to use instead, one value per sample.</param>
    public SourceFilterSynthesis(ulong seed, float[]? givenNoise)
    {
        (this.seed, this.givenNoise) = (seed, givenNoise);
        pulses.AppendZeros(Half);
        noises.AppendZeros(Half);
    }

    /// <summary>Adds the pitch of the next frame in Hz, 0 where unvoiced.</summary>
    public void AddPitch(float frequency)
    {
        Span<float> pulse = pulses.Append(Hop), noise = noises.Append(Hop);
        if (frequency > 0) FillPulses(frequency, pulse);
        else pulse.Clear();
        if (givenNoise is null) GaussianNoise.Fill(seed, excitationSamples, noise);
        else givenNoise.AsSpan((int)excitationSamples, Hop).CopyTo(noise);
        excitationSamples += Hop;
    }

    /// <summary>Room for the log magnitudes of the next <paramref name="count"/> frames: (count, 2 * Bins), pulse filter first.</summary>
    public Span<float> AddFilters(int count) => filters.Append(count);

    /// <summary>Returns the samples that are now determined; with <paramref name="last"/> all of them.</summary>
    public float[] Advance(bool last)
    {
        if (last)
        {
            pulses.AppendZeros(Half);
            noises.AppendZeros(Half);
        }

        output.Clear();
        while (filters.Count > 0 && pulses.Count >= FftLength)
        {
            SynthesizeFrame(filters.Frames[..(2 * Bins)]);
            filters.Drop(1);
            pulses.Drop(Hop);
            noises.Drop(Hop);
            Emit(Hop);
            frames++;
        }

        if (last && frames > 0) Emit(Half);
        return [.. output];
    }

    private void FillPulses(float frequency, Span<float> pulse)
    {
        // All harmonics up to 7.8 kHz with equal amplitude and unit power, summed in closed form.
        double step = 2 * Math.PI * frequency / SampleRate, harmonics = Math.Floor(HighestHarmonic / frequency), scale = Math.Sqrt(2 / harmonics);
        for (int i = 0; i < pulse.Length; i++)
        {
            phase += step;
            double half = Math.Sin(phase / 2);
            double value = Math.Abs(half) < Tiny ? harmonics : Math.Sin((harmonics + 0.5) * phase) / (2 * half) - 0.5;
            pulse[i] = (float)Math.Clamp(value * scale, -PulseLimit, PulseLimit);
        }
    }

    private void SynthesizeFrame(ReadOnlySpan<float> logMagnitudes)
    {
        Span<float> signal = stackalloc float[FftLength];
        Span<float> real = stackalloc float[Bins], imaginary = stackalloc float[Bins];
        Span<float> sumReal = stackalloc float[Bins], sumImaginary = stackalloc float[Bins];
        Span<float> filterReal = stackalloc float[Bins], filterImaginary = stackalloc float[Bins];

        VectorMath.Multiply(pulses.Frames[..FftLength], Window, signal);
        Fft.Forward(signal, real, imaginary);
        MinimumPhase(logMagnitudes[..Bins], filterReal, filterImaginary);
        for (int k = 0; k < Bins; k++)
        {
            sumReal[k] = real[k] * filterReal[k] - imaginary[k] * filterImaginary[k];
            sumImaginary[k] = real[k] * filterImaginary[k] + imaginary[k] * filterReal[k];
        }

        VectorMath.Multiply(noises.Frames[..FftLength], Window, signal);
        Fft.Forward(signal, real, imaginary);
        VectorMath.Exp(logMagnitudes[Bins..], filterReal);
        VectorMath.MultiplyAdd(real, filterReal, sumReal);
        VectorMath.MultiplyAdd(imaginary, filterReal, sumImaginary);

        Fft.Inverse(sumReal, sumImaginary, signal);
        VectorMath.MultiplyAdd(signal, Window, overlap);
    }

    /// <summary>Spectrum with the magnitude e^a whose impulse response starts as early as possible: the cepstrum is folded
    /// onto positive times.</summary>
    private static void MinimumPhase(ReadOnlySpan<float> logMagnitude, Span<float> real, Span<float> imaginary)
    {
        Span<float> cepstrum = stackalloc float[FftLength];
        imaginary.Clear();
        Fft.Inverse(logMagnitude, imaginary, cepstrum);
        VectorMath.Scale(cepstrum[1..Half], 2, cepstrum[1..Half]);
        cepstrum[(Half + 1)..].Clear();
        Fft.Forward(cepstrum, real, imaginary);
        VectorMath.Exp(real, real);
        for (int k = 0; k < Bins; k++)
        {
            (float sine, float cosine) = MathF.SinCos(imaginary[k]);
            imaginary[k] = real[k] * sine;
            real[k] *= cosine;
        }
    }

    /// <summary>Releases the oldest samples of the overlap; those before the start of the signal are dropped.</summary>
    private void Emit(int count)
    {
        long position = frames * Hop - Half;
        for (int i = 0; i < count; i++)
        {
            if (position + i >= 0) output.Add(overlap[i] * Normalizer[(position + i) % Hop]);
        }

        overlap.AsSpan(count).CopyTo(overlap);
        overlap.AsSpan(FftLength - count).Clear();
    }

    private static float[] CreateWindow()
    {
        float[] window = new float[FftLength];
        for (int i = 0; i < FftLength; i++) window[i] = (float)Hann(i);
        return window;
    }

    // Window squares of all frames that touch a sample, by the sample's place inside its hop; frame t starts at 160 t - 256.
    private static float[] CreateNormalizer()
    {
        double[] squares = new double[Hop];
        for (int i = 0; i < FftLength; i++) squares[(i + Half * (Hop - 1)) % Hop] += Hann(i) * Hann(i);
        return [.. squares.Select(s => (float)(1 / s))];
    }

    private static double Hann(int i) => 0.5 - 0.5 * Math.Cos(2 * Math.PI * i / FftLength);
}
