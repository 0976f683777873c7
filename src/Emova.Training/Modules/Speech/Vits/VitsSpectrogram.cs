using Emova.Media;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>Sizes of <see cref="VitsSpectrogram"/>. The defaults are the published speech decoder's.</summary>
public sealed record VitsSpectrogramConfig
{
    public int NFft { get; init; } = 1024;

    public int NumMels { get; init; } = 80;

    /// <summary>Hz.</summary>
    public int SamplingRate { get; init; } = 22050;

    /// <summary>Samples.</summary>
    public int HopSize { get; init; } = 256;

    /// <summary>Samples, at most <see cref="NFft"/>.</summary>
    public int WinSize { get; init; } = 1024;

    /// <summary>Lower edge of the first band in Hz.</summary>
    public double Fmin { get; init; }

    /// <summary>Upper edge of the last band in Hz; null for half the sampling rate.</summary>
    public double? Fmax { get; init; }
}

/// <summary>
/// Linear and log-mel spectra of a batch with gradients (mel_processing of the reference): twin of <see cref="LinearSpectrogram"/>, whose
/// magnitudes the posterior and the style encoder read, with the mel bands of the reconstruction loss on top.
/// </summary>
public sealed class VitsSpectrogram
{
    private const double PowerGuard = 1e-6;
    private const double MelGuard = 1e-5;

    private readonly VitsSpectrogramConfig _config;
    private readonly Tensor _window;

    /// <exception cref="EmovaException">The sizes do not fit each other.</exception>
    public VitsSpectrogram(VitsSpectrogramConfig config)
    {
        if (config.NFft < 2 || config.WinSize < 1 || config.WinSize > config.NFft || config.HopSize < 1 || config.HopSize > config.NFft)
            throw new EmovaException($"win_size {config.WinSize} and hop_size {config.HopSize} must be from 1 to n_fft, {config.NFft}");
        _config = config;
        _window = hann_window(config.WinSize).DetachFromDisposeScope(); // periodic
        MelBasis = tensor(
            SlaneyMelFilterbank.Create(config.SamplingRate, config.NFft, config.NumMels, config.Fmin, config.Fmax), config.NumMels, config.NFft / 2 + 1).DetachFromDisposeScope();
    }

    /// <summary>The mel filters, (bands, bins).</summary>
    public Tensor MelBasis { get; }

    /// <summary>Magnitudes of waveforms (B, N): (B, bins, N / hop).</summary>
    public Tensor Linear(Tensor waves)
    {
        long padding = (_config.NFft - _config.HopSize) / 2;
        Tensor padded = F.pad(waves.unsqueeze(1), [padding, padding], PaddingModes.Reflect).squeeze(1);
        Tensor spectrum = stft(padded, _config.NFft, _config.HopSize, _config.WinSize, _window, center: false, return_complex: true);
        return view_as_real(spectrum).square().sum(-1).Plus(PowerGuard).sqrt();
    }

    /// <summary>Log-mel spectra of magnitudes (B, bins, T): (B, bands, T), natural log.</summary>
    public Tensor Mel(Tensor linear) => matmul(MelBasis, linear).clamp_min(Arithmetic.Constant(MelGuard)).log();
}
