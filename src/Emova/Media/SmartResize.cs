namespace Emova.Media;

/// <summary>
/// Chooses the size to which a picture is scaled for the vision encoder: both sides multiples of a factor, the area within
/// limits, the aspect ratio kept as well as possible. Follows EMOVA, which enlarges pictures smaller than the factor where
/// Qwen2-VL refuses them.
/// </summary>
public static class SmartResize
{
    private const double MaxAspectRatio = 200;

    /// <summary>Returns the target size in pixels.</summary>
    /// <param name="height">Source height, at least 1.</param>
    /// <param name="width">Source width, at least 1.</param>
    /// <param name="factor">Both result sides are multiples of it (28 for Qwen2-ViT).</param>
    /// <param name="minPixels">Smallest area aimed for.</param>
    /// <param name="maxPixels">Largest area.</param>
    /// <exception cref="EmovaException">The picture is more than 200 times longer than wide, or so narrow that nothing would remain.</exception>
    public static (int Height, int Width) Compute(int height, int width, int factor, long minPixels, long maxPixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        double h = height, w = width;
        if (height < factor || width < factor)
            (h, w) = height < width ? ((double)factor, RoundHalfToEven(w / h * factor)) : (RoundHalfToEven(h / w * factor), factor);
        else if (Math.Max(h, w) / Math.Min(h, w) > MaxAspectRatio)
            throw new EmovaException($"picture of {width} x {height} pixels: one side may be at most {MaxAspectRatio} times the other");

        double resizedHeight = RoundHalfToEven(h / factor) * factor, resizedWidth = RoundHalfToEven(w / factor) * factor;
        if (resizedHeight * resizedWidth > maxPixels)
        {
            double shrink = Math.Sqrt(h * w / maxPixels);
            resizedHeight = Math.Floor(h / shrink / factor) * factor;
            resizedWidth = Math.Floor(w / shrink / factor) * factor;
        }
        else if (resizedHeight * resizedWidth < minPixels)
        {
            double grow = Math.Sqrt(minPixels / (h * w));
            resizedHeight = Math.Ceiling(h * grow / factor) * factor;
            resizedWidth = Math.Ceiling(w * grow / factor) * factor;
        }

        if (resizedHeight < factor || resizedWidth < factor)
            throw new EmovaException($"picture of {width} x {height} pixels is too narrow: scaled to {maxPixels} pixels, a side would vanish");
        return ((int)resizedHeight, (int)resizedWidth);
    }

    private static double RoundHalfToEven(double value) => Math.Round(value, MidpointRounding.ToEven);
}
