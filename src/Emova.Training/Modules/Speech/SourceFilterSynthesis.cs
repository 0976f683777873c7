using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech;

/// <summary>Turns filter magnitudes, pitch and noise into a waveform; differentiable in the magnitudes.</summary>
public sealed class SourceFilterSynthesis
{
    private const int SampleRate = 16000;
    private const double HighestHarmonic = 7800;
    private const double PulseLimit = 20;
    private const double Tiny = 1e-7; // nearer to a period's start the closed form is 0 / 0; its limit is the number of harmonics

    private readonly int _hop;
    private readonly int _size;
    private readonly Tensor _window;
    private readonly Tensor _folding;
    private readonly Tensor _normalizer;

    public SourceFilterSynthesis(int hop, int size)
    {
        (_hop, _size) = (hop, size);
        double[] window = [.. Enumerable.Range(0, size).Select(i => 0.5 - 0.5 * Math.Cos(2 * Math.PI * i / size))];
        double[] squares = new double[hop];
        for (int i = 0; i < size; i++) squares[i % hop] += window[i] * window[i];
        _window = tensor(window.Select(w => (float)w).ToArray()).DetachFromDisposeScope();
        float[] folding = new float[size];
        folding[0] = folding[size / 2] = 1;
        folding.AsSpan(1, size / 2 - 1).Fill(2);
        _folding = tensor(folding).DetachFromDisposeScope();
        // Sample 160 k + j is half a window after frame k's start, so its place among the hops is shifted by size / 2.
        _normalizer = tensor(Enumerable.Range(0, hop).Select(j => (float)(1 / squares[(j + size / 2) % hop])).ToArray()).DetachFromDisposeScope();
    }

    /// <summary>
    /// Band-limited pulse train for pitch per frame (Hz, 0 where unvoiced): all harmonics up to 7.8 kHz with equal amplitude
    /// and unit power. Returns frames x hop samples.
    /// </summary>
    public float[] Pulses(ReadOnlySpan<float> pitch)
    {
        float[] result = new float[pitch.Length * _hop];
        double phase = 0;
        for (int t = 0; t < pitch.Length; t++)
        {
            if (pitch[t] <= 0) continue;
            double step = 2 * Math.PI * pitch[t] / SampleRate, harmonics = Math.Floor(HighestHarmonic / pitch[t]), scale = Math.Sqrt(2 / harmonics);
            for (int i = 0; i < _hop; i++)
            {
                phase += step;
                double half = Math.Sin(phase / 2);
                double pulse = Math.Abs(half) < Tiny ? harmonics : Math.Sin((harmonics + 0.5) * phase) / (2 * half) - 0.5;
                result[t * _hop + i] = (float)Math.Clamp(pulse * scale, -PulseLimit, PulseLimit);
            }
        }
        return result;
    }

    /// <summary>
    /// Log magnitudes (B, T, bins) of the pulse and noise filters and the two excitations (B, T x hop) -> waveform (B, T x hop).
    /// </summary>
    public Tensor Synthesize(Tensor harmonic, Tensor noise, Tensor pulses, Tensor noiseSource)
    {
        long frames = harmonic.shape[1];
        Tensor pulseSpectrum, noiseSpectrum;
        using (no_grad())
        {
            pulseSpectrum = Spectrum(pulses, frames);
            noiseSpectrum = Spectrum(noiseSource, frames);
        }
        Tensor spectrum = pulseSpectrum * MinimumPhase(harmonic) + noiseSpectrum * noise.exp();
        Tensor pieces = fft.irfft(spectrum, _size) * _window; // (B, T, size)
        return OverlapAdd(pieces) * _normalizer.repeat(frames);
    }

    /// <summary>Spectrum whose magnitude is exp(a) and whose impulse response starts as early as possible.</summary>
    private Tensor MinimumPhase(Tensor logMagnitude) => fft.rfft(fft.irfft(complex(logMagnitude, zeros_like(logMagnitude)), _size) * _folding, _size).exp();

    /// <summary>Frame t is centered on sample hop x t; what lies outside the signal is zero.</summary>
    private Tensor Spectrum(Tensor signal, long frames) =>
        stft(F.pad(signal, [_size / 2, _size / 2]), _size, _hop, _size, _window, center: false, return_complex: true).transpose(1, 2).narrow(1, 0, frames);

    private Tensor OverlapAdd(Tensor pieces)
    {
        long batch = pieces.shape[0], frames = pieces.shape[1];
        int spans = (_size + _hop - 1) / _hop;
        Tensor slices = F.pad(pieces, [0, spans * _hop - _size]).view(batch, frames, spans, _hop);
        Tensor? sum = null;
        for (int k = 0; k < spans; k++)
        {
            Tensor shifted = F.pad(slices.select(2, k), [0, 0, k, spans - k]);
            sum = sum is null ? shifted : sum + shifted;
        }
        return sum!.reshape(batch, -1).narrow(1, _size / 2, frames * _hop);
    }
}
