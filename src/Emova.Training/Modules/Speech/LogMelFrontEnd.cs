using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech;

/// <summary>
/// The log-mel features of the speech encoder for a batch (AudioToMelSpectrogramPreprocessor of the reference: peak
/// normalization, pre-emphasis 0.97, symmetric Hann 320 in frames of 512 every 160 samples, Slaney mel bands, natural log,
/// per-band mean and deviation over the utterance). Every row is treated as if it were alone, whatever the batch.
/// </summary>
public sealed class LogMelFrontEnd
{
    public const int Hop = 160;
    private const int FftSize = 512;
    private const int WindowLength = 320;
    private const float PreEmphasis = 0.97f;
    private const float LogGuard = 5.960464477539063e-8f; // 2^-24
    private const int PadMultiple = 16;

    private readonly Tensor _filterBank;
    private readonly Tensor _window;

    /// <param name="filterBank">(1, features, 257), as stored in checkpoints.</param>
    public LogMelFrontEnd(Tensor filterBank)
    {
        _filterBank = filterBank;
        _window = tensor(SymmetricHann(WindowLength)).DetachFromDisposeScope();
    }

    /// <summary>Valid frames of an utterance: ceil(samples / 160).</summary>
    public static int Frames(int samples) => (samples + Hop - 1) / Hop;

    /// <summary>Log-mel energies before normalization, (B, features, T) with T the frames of the longest row.</summary>
    public Tensor LogMel(IReadOnlyList<float[]> waves)
    {
        int frames = waves.Max(wave => Frames(wave.Length));
        int length = FftSize + Hop * (frames - 1);
        float[] rows = new float[(long)waves.Count * length];
        for (int i = 0; i < waves.Count; i++) Prepare(waves[i], rows.AsSpan(i * length, length));
        using (no_grad())
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor spectrum = stft(tensor(rows, waves.Count, length), FftSize, Hop, WindowLength, _window, center: false, return_complex: true);
            Tensor power = view_as_real(spectrum).pow(2).sum(-1); // (B, 257, T)
            return (matmul(_filterBank, power) + LogGuard).log().MoveToOuterDisposeScope();
        }
    }

    /// <summary>
    /// Normalizes each row over its first <paramref name="frames"/> frames, zeroes what follows and pads the time axis with
    /// zeros to a multiple of 16.
    /// </summary>
    public static Tensor Normalize(Tensor logMel, IReadOnlyList<int> frames)
    {
        using DisposeScope scope = NewDisposeScope();
        long time = logMel.shape[2];
        Tensor mask = Mask(frames, time).unsqueeze(1); // (B, 1, T)
        Tensor count = mask.sum(2, keepdim: true);
        Tensor mean = (logMel * mask).sum(2, keepdim: true) / count;
        Tensor centered = (logMel - mean) * mask;
        Tensor deviation = (centered.pow(2).sum(2, keepdim: true) / (count - 1)).sqrt();
        Tensor normalized = centered / (deviation + 1e-5);
        long padded = (time + PadMultiple - 1) / PadMultiple * PadMultiple;
        return nn.functional.pad(normalized, [0, padded - time]).MoveToOuterDisposeScope();
    }

    /// <summary>Features of a batch: <see cref="LogMel"/> then <see cref="Normalize"/>.</summary>
    public Tensor Features(IReadOnlyList<float[]> waves)
    {
        using Tensor logMel = LogMel(waves);
        return Normalize(logMel, [.. waves.Select(wave => Frames(wave.Length))]);
    }

    /// <summary>1 for the first lengths[i] positions of row i, else 0: (B, time).</summary>
    public static Tensor Mask(IReadOnlyList<int> lengths, long time)
    {
        float[] mask = new float[lengths.Count * time];
        for (int i = 0; i < lengths.Count; i++) mask.AsSpan((int)(i * time), (int)Math.Min(lengths[i], time)).Fill(1);
        return tensor(mask, lengths.Count, time);
    }

    // Peak normalization, pre-emphasis, and 256 mirrored samples at both ends of the row's own samples.
    private static void Prepare(float[] wave, Span<float> row)
    {
        const int half = FftSize / 2;
        if (wave.Length <= half) throw new ArgumentException($"an utterance of {wave.Length} samples is too short; more than {half} are needed", nameof(wave));
        float scale = 1 / (MathF.Abs(System.Numerics.Tensors.TensorPrimitives.MaxMagnitude(wave)) + 1e-5f);
        float[] emphasized = new float[wave.Length];
        emphasized[0] = wave[0] * scale;
        for (int t = 1; t < wave.Length; t++) emphasized[t] = wave[t] * scale - PreEmphasis * (wave[t - 1] * scale);
        int end = Math.Min(row.Length, wave.Length + 2 * half); // zeros beyond the mirrored tail
        for (int t = 0; t < end; t++)
        {
            int source = Math.Abs(t - half);
            row[t] = emphasized[source < wave.Length ? source : 2 * (wave.Length - 1) - source];
        }
    }

    private static float[] SymmetricHann(int length) =>
        [.. Enumerable.Range(0, length).Select(i => (float)(0.5 - 0.5 * Math.Cos(2 * Math.PI * i / (length - 1))))];
}
