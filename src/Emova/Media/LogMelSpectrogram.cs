using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// The log-mel front end of the EMOVA speech encoder (NeMo's <c>FilterbankFeatures</c> as configured there): peak
/// normalization, pre-emphasis 0.97, 20 ms windows every 10 ms, power mel bands, log(x + 2^-24), and per-band
/// normalization over the utterance.
/// </summary>
public sealed class LogMelSpectrogram
{
    /// <summary>Samples per second of the input.</summary>
    public const int SampleRate = 16000;

    /// <summary>Samples from one frame to the next (10 ms).</summary>
    public const int Hop = 160;

    /// <summary>Transform length; the filterbank has half of it plus one bins.</summary>
    public const int FftLength = 512;

    /// <summary>Shortest input: the edges are mirrored over half a transform, which needs one sample more.</summary>
    public const int MinimumSamples = FftLength / 2 + 1;

    // The deviation over the utterance needs two frames.
    private const int MinimumValidSamples = Hop + 1;
    private const int WindowLength = 320;
    private const int Bins = FftLength / 2 + 1;
    private const int FrameMultiple = 16;
    private const float PreEmphasis = 0.97f;
    private const float PeakGuard = 1e-5f;
    private const float DeviationGuard = 1e-5f;
    private const float LogGuard = 1f / (1 << 24);

    private static readonly RealFft Fft = new(FftLength);
    private static readonly float[] Window = CreateWindow();

    private readonly float[] filterbank;                  // (features, Bins)
    private readonly (int Start, int Count)[] supports;   // non-zero bins of each filter

    /// <summary>Creates the front end.</summary>
    /// <param name="filterbank">Mel weights (features, 257), from the checkpoint or <see cref="SlaneyMelFilterbank"/>.</param>
    /// <param name="features">Number of mel bands.</param>
    public LogMelSpectrogram(float[] filterbank, int features)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        if (filterbank.Length != features * Bins)
            throw new ArgumentException($"{filterbank.Length} weights, expected {features} x {Bins}", nameof(filterbank));
        this.filterbank = filterbank;
        Features = features;
        supports = new (int, int)[features];
        for (int row = 0; row < features; row++)
        {
            ReadOnlySpan<float> weights = filterbank.AsSpan(row * Bins, Bins);
            int start = weights.IndexOfAnyExcept(0f), last = weights.LastIndexOfAnyExcept(0f);
            supports[row] = start < 0 ? (0, 0) : (start, last - start + 1);
        }
    }

    /// <summary>Number of mel bands.</summary>
    public int Features { get; }

    /// <summary>Computes the features of one utterance.</summary>
    /// <param name="samples">16 kHz mono samples, at least <see cref="MinimumSamples"/>; may be padded with zeros.</param>
    /// <param name="validSamples">Samples before the padding; all when null.</param>
    /// <returns>Normalized features; frames past the valid ones are zero.</returns>
    /// <exception cref="EmovaException">There are too few samples.</exception>
    public LogMelFeatures Compute(ReadOnlySpan<float> samples, int? validSamples = null)
    {
        int valid = validSamples ?? samples.Length;
        if (samples.Length < MinimumSamples || valid < MinimumValidSamples || valid > samples.Length)
            throw new EmovaException($"speech of {valid} samples is too short, at least {MinimumSamples} samples at {SampleRate} Hz are needed");

        int frames = samples.Length / Hop + 1, validFrames = (valid + Hop - 1) / Hop;
        int padded = (frames + FrameMultiple - 1) / FrameMultiple * FrameMultiple;
        float[] data = new float[padded * Features];
        MelPower(samples, data);
        for (int i = 0; i < frames * Features; i++) data[i] = MathF.Log(data[i] + LogGuard);
        Normalize(data, validFrames);
        data.AsSpan(validFrames * Features).Clear();
        return new LogMelFeatures(data, Features, padded, validFrames);
    }

    /// <summary>Mel band powers (samples / 160 + 1, features) of the peak-normalized, pre-emphasized signal.</summary>
    internal void MelPower(ReadOnlySpan<float> samples, Span<float> power)
    {
        int frames = samples.Length / Hop + 1;
        float[] signal = Prepare(samples);
        Span<float> frame = stackalloc float[FftLength], real = stackalloc float[Bins], imaginary = stackalloc float[Bins];
        frame.Clear();
        const int margin = (FftLength - WindowLength) / 2;
        for (int t = 0; t < frames; t++)
        {
            // The window sits in the middle of the transform; the signal is mirrored over half a transform at both ends.
            int first = t * Hop - WindowLength / 2;
            for (int i = 0; i < WindowLength; i++) frame[margin + i] = Window[i] * signal[Mirror(first + i, signal.Length)];
            Fft.Forward(frame, real, imaginary);
            VectorMath.Multiply(real, real, real);
            VectorMath.MultiplyAdd(imaginary, imaginary, real);
            Span<float> row = power.Slice(t * Features, Features);
            for (int band = 0; band < Features; band++)
            {
                (int start, int count) = supports[band];
                row[band] = VectorMath.Dot(real.Slice(start, count), filterbank.AsSpan(band * Bins + start, count));
            }
        }
    }

    private static float[] Prepare(ReadOnlySpan<float> samples)
    {
        float peak = 0;
        foreach (float sample in samples) peak = MathF.Max(peak, MathF.Abs(sample));
        float[] signal = samples.ToArray();
        for (int i = 0; i < signal.Length; i++) signal[i] /= peak + PeakGuard;
        for (int i = signal.Length - 1; i > 0; i--) signal[i] -= PreEmphasis * signal[i - 1];
        return signal;
    }

    private void Normalize(float[] data, int validFrames)
    {
        double[] mean = new double[Features], square = new double[Features];
        for (int t = 0; t < validFrames; t++)
        {
            for (int band = 0; band < Features; band++) mean[band] += data[t * Features + band];
        }

        for (int band = 0; band < Features; band++) mean[band] /= validFrames;
        for (int t = 0; t < validFrames; t++)
        {
            for (int band = 0; band < Features; band++)
            {
                double difference = data[t * Features + band] - mean[band];
                square[band] += difference * difference;
            }
        }

        float[] scale = new float[Features], center = new float[Features];
        for (int band = 0; band < Features; band++)
        {
            scale[band] = (float)Math.Sqrt(square[band] / (validFrames - 1)) + DeviationGuard;
            center[band] = (float)mean[band];
        }

        for (int i = 0; i < validFrames * Features; i++) data[i] = (data[i] - center[i % Features]) / scale[i % Features];
    }

    private static int Mirror(int index, int length) =>
        index < 0 ? -index : index >= length ? 2 * (length - 1) - index : index;

    // Symmetric Hann: both end points are zero.
    private static float[] CreateWindow()
    {
        float[] window = new float[WindowLength];
        for (int i = 0; i < WindowLength; i++) window[i] = (float)(0.5 - 0.5 * Math.Cos(2 * Math.PI * i / (WindowLength - 1)));
        return window;
    }
}
