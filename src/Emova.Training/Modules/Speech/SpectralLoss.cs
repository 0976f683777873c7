using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech;

/// <summary>
/// Distance of two waveforms as magnitudes of short-time spectra at three resolutions (spectral convergence and log
/// magnitude, arXiv 1910.11480) and as log-mel energies at two.
/// </summary>
public sealed class SpectralLoss
{
    private static readonly (int Size, int Hop)[] Resolutions = [(256, 64), (512, 128), (1024, 256)];
    private static readonly (int Size, int Bands)[] MelResolutions = [(512, 40), (1024, 80)];

    private readonly Dictionary<int, Tensor> _windows = [];
    private readonly Dictionary<int, Tensor> _banks = [];

    public SpectralLoss()
    {
        foreach ((int size, _) in Resolutions) _windows[size] = hann_window(size).DetachFromDisposeScope();
        foreach ((int size, int bands) in MelResolutions)
            _banks[size] = tensor(HtkFilterBank(bands, size), bands, size / 2 + 1).DetachFromDisposeScope();
    }

    /// <summary>Both distances of (B, N) waveforms, averaged over resolutions.</summary>
    public (Tensor Spectrum, Tensor Mel) Distance(Tensor predicted, Tensor target)
    {
        Tensor? spectrum = null, mel = null;
        foreach ((int size, int hop) in Resolutions)
        {
            Tensor a = Magnitude(predicted, size, hop), b;
            using (no_grad()) b = Magnitude(target, size, hop);
            Tensor distance = (a - b).pow(2).sum().sqrt() / (b.pow(2).sum().sqrt() + 1e-5) + (a.log() - b.log()).abs().mean();
            spectrum = spectrum is null ? distance : spectrum + distance;
            if (!_banks.TryGetValue(size, out Tensor? bank)) continue;
            Tensor bands = (matmul(bank, a).clamp_min(1e-4).log() - matmul(bank, b).clamp_min(1e-4).log()).abs().mean();
            mel = mel is null ? bands : mel + bands;
        }
        return (spectrum! / Resolutions.Length, mel! / MelResolutions.Length);
    }

    private Tensor Magnitude(Tensor wave, int size, int hop)
    {
        Tensor spectrum = stft(wave, size, hop, size, _windows[size], center: true, pad_mode: PaddingModes.Reflect, return_complex: true);
        return (view_as_real(spectrum).pow(2).sum(-1) + 1e-7).sqrt(); // (B, bins, T); the guard keeps the root's slope finite
    }

    /// <summary>Triangles of equal height on the HTK mel scale: unlike equal areas they keep all bands at the scale of the spectrum.</summary>
    private static float[] HtkFilterBank(int bands, int size)
    {
        static double ToHertz(double mel) => 700 * (Math.Pow(10, mel / 2595) - 1);
        double top = 2595 * Math.Log10(1 + 8000 / 700.0);
        double[] edges = [.. Enumerable.Range(0, bands + 2).Select(i => ToHertz(top * i / (bands + 1)) * size / 16000)];
        int bins = size / 2 + 1;
        float[] bank = new float[bands * bins];
        for (int band = 0; band < bands; band++)
            for (int bin = 0; bin < bins; bin++)
                bank[band * bins + bin] = (float)Math.Max(0, Math.Min((bin - edges[band]) / (edges[band + 1] - edges[band]), (edges[band + 2] - bin) / (edges[band + 2] - edges[band + 1])));
        return bank;
    }
}
