using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// VITS's posterior encoder: the latent frames of recorded speech, from its linear spectrogram. Not needed to speak; with the
/// flow in both directions it re-speaks a recording in another style.
/// </summary>
internal sealed class PosteriorEncoder(WeightLoader weights, VitsConfig config)
{
    private const int WaveNetLayers = 16;

    private readonly ConvolutionWeight pre = WeightNorm.Convolution(weights.Push("pre"), config.HiddenChannels, config.SpectrogramBins, kernel: 1);
    private readonly WaveNet network = new(weights.Push("enc"), config.HiddenChannels, WaveNetLayers, config.StyleDim);
    private readonly ConvolutionWeight projection = WeightNorm.Convolution(weights.Push("proj"), 2 * config.InterChannels, config.HiddenChannels, kernel: 1);

    /// <summary>Distribution of the latent frames.</summary>
    /// <param name="spectrogram">Linear magnitudes (T, bins).</param>
    /// <param name="style">Style vector, or empty.</param>
    /// <returns>Mean and logarithm of the deviation, (T, C) each.</returns>
    public (float[] Mean, float[] LogDeviation) Encode(ReadOnlySpan<float> spectrogram, ReadOnlySpan<float> style)
    {
        int frames = spectrogram.Length / pre.Inputs, width = pre.Outputs, channels = config.InterChannels;
        float[] hidden = new float[frames * width], mean = new float[frames * channels], deviation = new float[frames * channels];
        pre.Convolve(spectrogram, frames, pre.Inputs, pre.Inputs, hidden, width);
        float[] statistics = new float[frames * 2 * channels];
        projection.Convolve(network.Start(style).Push(hidden, last: true), frames, width, width, statistics, 2 * channels);
        for (int t = 0; t < frames; t++)
        {
            statistics.AsSpan(2 * t * channels, channels).CopyTo(mean.AsSpan(t * channels));
            statistics.AsSpan((2 * t + 1) * channels, channels).CopyTo(deviation.AsSpan(t * channels));
        }

        return (mean, deviation);
    }
}
