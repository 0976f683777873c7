using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>What one discriminator says of a waveform.</summary>
/// <param name="Score">Near 1 for recordings, near 0 for generated audio: (B, positions).</param>
/// <param name="FeatureMaps">The output of every layer after its activation, then the last layer's, which has none.</param>
public sealed record DiscriminatorOutput(Tensor Score, IReadOnlyList<Tensor> FeatureMaps);

/// <summary>
/// The reference's MultiPeriodDiscriminator (HiFi-GAN, arXiv 2010.05646, as VITS uses it): one discriminator of the waveform itself and one
/// per period, which sees the waveform as a picture with that many columns. Only training a VITS speech decoder needs it.
/// </summary>
public sealed class VitsDiscriminator
{
    private const double LeakySlope = 0.1;

    // Kernel and stride of the scale discriminator's convolutions: it looks at longer and longer stretches.
    private static readonly (int Kernel, int Stride)[] ScaleLayers = [(15, 1), (41, 4), (41, 4), (41, 4), (41, 4), (5, 1)];

    private readonly List<SubDiscriminator> _discriminators = [];

    /// <summary>Creates all parameters in <paramref name="scope"/>.</summary>
    /// <exception cref="EmovaException">The configuration's lists do not fit each other.</exception>
    public VitsDiscriminator(VitsDiscriminatorConfig config, ParameterScope scope)
    {
        if (config.ScaleChannels.Length != ScaleLayers.Length || config.ScaleGroups.Length != ScaleLayers.Length)
            throw new EmovaException($"scale_channels and scale_groups need {ScaleLayers.Length} entries each, not {config.ScaleChannels.Length} and {config.ScaleGroups.Length}");
        if (config.PeriodChannels.Length == 0 || config.Periods.Any(period => period < 1))
            throw new EmovaException("period_channels must not be empty, and every entry of periods must be at least 1");
        ParameterScope discriminators = scope.Push("discriminators");
        _discriminators.Add(ScaleDiscriminator(config, discriminators.Push(0)));
        for (int i = 0; i < config.Periods.Length; i++) _discriminators.Add(PeriodDiscriminator(config, config.Periods[i], discriminators.Push(i + 1)));
    }

    /// <summary>Judges waveforms (B, 1, N): first the scale discriminator, then the periods in the order of the configuration.</summary>
    /// <param name="waves">Waveforms.</param>
    /// <param name="isJudged">True when the waveforms are to learn from the judgment and the discriminators are not.</param>
    public IReadOnlyList<DiscriminatorOutput> Forward(Tensor waves, bool isJudged = false) => [.. _discriminators.Select(discriminator => discriminator.Forward(waves, isJudged))];

    private static SubDiscriminator ScaleDiscriminator(VitsDiscriminatorConfig config, ParameterScope scope)
    {
        List<NormalizedConvolution> layers = [];
        int channels = 1;
        for (int i = 0; i < ScaleLayers.Length; i++)
        {
            (int kernel, int stride) = ScaleLayers[i];
            layers.Add(new NormalizedConvolution(scope.Push("convs").Push(i), [config.ScaleChannels[i], channels, kernel], stride, config.ScaleGroups[i]));
            channels = config.ScaleChannels[i];
        }
        return new SubDiscriminator(waves => waves, layers, new NormalizedConvolution(scope.Push("conv_post"), [1, channels, 3]));
    }

    private static SubDiscriminator PeriodDiscriminator(VitsDiscriminatorConfig config, int period, ParameterScope scope)
    {
        List<NormalizedConvolution> layers = [];
        int channels = 1;
        for (int i = 0; i < config.PeriodChannels.Length; i++)
        {
            bool last = i == config.PeriodChannels.Length - 1; // does not shorten any more
            layers.Add(new NormalizedConvolution(scope.Push("convs").Push(i), [config.PeriodChannels[i], channels, 5, 1], last ? 1 : 3));
            channels = config.PeriodChannels[i];
        }
        return new SubDiscriminator(waves => Fold(waves, period), layers, new NormalizedConvolution(scope.Push("conv_post"), [1, channels, 3, 1]));
    }

    // (B, 1, N) -> (B, 1, rows, period); the end is mirrored where the period does not divide N.
    private static Tensor Fold(Tensor waves, int period)
    {
        long batch = waves.shape[0], channels = waves.shape[1], samples = waves.shape[2], missing = (period - samples % period) % period;
        if (missing >= samples) throw new ArgumentException($"{samples} samples are too few for period {period}", nameof(waves));
        if (missing > 0) waves = F.pad(waves, [0, missing], PaddingModes.Reflect);
        return waves.view(batch, channels, (samples + missing) / period, period);
    }

    private sealed class SubDiscriminator(Func<Tensor, Tensor> arrange, List<NormalizedConvolution> layers, NormalizedConvolution last)
    {
        public DiscriminatorOutput Forward(Tensor waves, bool isJudged)
        {
            Tensor x = arrange(waves);
            List<Tensor> maps = [];
            foreach (NormalizedConvolution layer in layers)
            {
                x = F.leaky_relu(layer.Forward(x, isFixed: isJudged), LeakySlope);
                maps.Add(x);
            }
            x = last.Forward(x, isFixed: isJudged);
            maps.Add(x);
            return new DiscriminatorOutput(x.flatten(1), maps);
        }
    }
}
