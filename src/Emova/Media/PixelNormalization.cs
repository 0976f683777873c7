namespace Emova.Media;

/// <summary>Maps bytes of a picture to the range a vision encoder was trained on: (byte / 255 - mean) / deviation, per channel.</summary>
public sealed class PixelNormalization
{
    private readonly double[] mean;
    private readonly float[][] tables;

    /// <summary>Creates a normalization.</summary>
    /// <param name="mean">Mean of red, green and blue, 0..1.</param>
    /// <param name="deviation">Their standard deviations, above 0.</param>
    public PixelNormalization(ReadOnlySpan<double> mean, ReadOnlySpan<double> deviation)
    {
        if (mean.Length != 3 || deviation.Length != 3)
            throw new ArgumentException("a normalization needs three means and three deviations");
        this.mean = mean.ToArray();
        tables = new float[3][];
        for (int channel = 0; channel < 3; channel++)
        {
            (float center, float scale) = ((float)mean[channel], (float)deviation[channel]);
            // Rescaling happens in double and normalization in float, as in the reference.
            tables[channel] = [.. Enumerable.Range(0, 256).Select(value => ((float)(value * (1 / 255.0)) - center) / scale)];
        }
    }

    /// <summary>The statistics of CLIP, also used by Qwen2-ViT.</summary>
    public static PixelNormalization Clip { get; } = new([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]);

    /// <summary>The statistics of ImageNet, used by InternViT.</summary>
    public static PixelNormalization ImageNet { get; } = new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

    /// <summary>-1..1, used by SigLIP.</summary>
    public static PixelNormalization Half { get; } = new([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);

    /// <summary>The mean as a color, cut to whole numbers as in the reference.</summary>
    internal (byte Red, byte Green, byte Blue) MeanColor => ((byte)(mean[0] * 255), (byte)(mean[1] * 255), (byte)(mean[2] * 255));

    /// <summary>The value of every byte in a channel.</summary>
    /// <param name="channel">0 red, 1 green, 2 blue.</param>
    /// <returns>256 values.</returns>
    internal ReadOnlySpan<float> Table(int channel) => tables[channel];
}
