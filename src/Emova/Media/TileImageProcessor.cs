using static Emova.Media.BicubicResampler;

namespace Emova.Media;

/// <summary>
/// Picture -> normalized square tiles for the encoders of one input size (CLIP, SigLIP, InternViT), in the ways of the
/// reference: the plain processor, padding to a square, and any-resolution tiling.
/// </summary>
public sealed class TileImageProcessor
{
    // Far beyond any picture worth looking at; scaling one costs time in proportion to it.
    private const int MaxAspectRatio = 20_000;
    private const long MaxPaddedPixels = 4 * ImageFile.DefaultMaxPixels;

    private readonly PixelNormalization normalization;

    /// <summary>Creates a processor.</summary>
    /// <param name="shortestEdge">Side to which the shorter edge of a picture is scaled, in pixels.</param>
    /// <param name="cropSize">Side of a tile, which is cut from the center; 1 to <paramref name="shortestEdge"/>.</param>
    /// <param name="normalization">Range of the results.</param>
    public TileImageProcessor(int shortestEdge, int cropSize, PixelNormalization normalization)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cropSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cropSize, shortestEdge);
        (ShortestEdge, CropSize, this.normalization) = (shortestEdge, cropSize, normalization);
    }

    /// <summary>Side to which the shorter edge of a picture is scaled, in pixels.</summary>
    public int ShortestEdge { get; }

    /// <summary>Side of a tile in pixels.</summary>
    public int CropSize { get; }

    /// <summary>Whether the longer edge keeps its proportion and is cut; otherwise the picture is squeezed into a tile.</summary>
    public bool KeepAspectRatio { get; init; } = true;

    /// <summary>Scales, cuts and normalizes a picture.</summary>
    /// <returns>(3, CropSize, CropSize).</returns>
    /// <exception cref="EmovaException">The picture is more than 20,000 times longer than wide.</exception>
    public float[] Process(RgbImage image) => Process(ImageWindow.Of(image));

    /// <summary>Like <see cref="Process(RgbImage)"/>, with the picture centered on a square of the mean color first.</summary>
    /// <returns>(3, CropSize, CropSize).</returns>
    /// <exception cref="EmovaException">The square would have more than 256 million pixels.</exception>
    public float[] ProcessPadded(RgbImage image) => Process(PadToSquare(image));

    /// <summary>
    /// Any-resolution tiling: the whole picture squeezed into one tile, then the tiles of its grid row by row.
    /// </summary>
    /// <param name="image">The picture.</param>
    /// <param name="resolution">Size of the grid in pixels, a multiple of <see cref="CropSize"/>; see <see cref="AnyResolution.Select"/>.</param>
    /// <returns>1 + number of tiles results of (3, CropSize, CropSize), computed one at a time.</returns>
    /// <exception cref="EmovaException">The picture is more than 20,000 times longer than wide.</exception>
    public IEnumerable<float[]> ProcessTiles(RgbImage image, (int Width, int Height) resolution)
    {
        CheckAspectRatio(image.Width, image.Height);
        yield return Process(Resize(image, ShortestEdge, ShortestEdge));
        RgbImage canvas = AnyResolution.Letterbox(image, resolution.Width, resolution.Height);
        for (int y = 0; y < resolution.Height; y += CropSize)
        {
            for (int x = 0; x < resolution.Width; x += CropSize)
                yield return Process(new ImageWindow(canvas, x, y, CropSize, CropSize));
        }
    }

    /// <summary>The picture in the center of a square of the mean color.</summary>
    internal ImageWindow PadToSquare(RgbImage image)
    {
        int side = Math.Max(image.Width, image.Height);
        if ((long)side * side > MaxPaddedPixels)
        {
            throw new EmovaException(
                $"picture of {image.Width} x {image.Height} pixels: padded to a square it would have more than {MaxPaddedPixels} pixels; crop or scale it first");
        }

        return new ImageWindow(image, -((side - image.Width) / 2), -((side - image.Height) / 2), side, side, normalization.MeanColor);
    }

    private float[] Process(ImageWindow window)
    {
        CheckAspectRatio(window.Width, window.Height);
        if (!KeepAspectRatio)
            return Normalize(Resize(window, new Axis(CropSize, 0, CropSize), new Axis(CropSize, 0, CropSize)));
        return Normalize(Resize(window, Center(window.Width, window.Height), Center(window.Height, window.Width)));
    }

    /// <summary>How one side of a picture is scaled, and which part of it stays.</summary>
    private Axis Center(int side, int otherSide)
    {
        long scaled = side <= otherSide ? ShortestEdge : (long)((double)((long)ShortestEdge * side) / otherSide);
        return new Axis(scaled, (scaled - CropSize) / 2, CropSize);
    }

    /// <summary>(H, W, 3) bytes -> (3, H, W).</summary>
    private float[] Normalize(RgbImage image)
    {
        int area = image.Width * image.Height;
        float[] values = new float[3 * area];
        for (int channel = 0; channel < 3; channel++)
        {
            ReadOnlySpan<float> table = normalization.Table(channel);
            for (int i = 0; i < area; i++)
                values[channel * area + i] = table[image.Pixels[3 * i + channel]];
        }

        return values;
    }

    private static void CheckAspectRatio(int width, int height)
    {
        if (Math.Max(width, height) / Math.Min(width, height) > MaxAspectRatio)
            throw new EmovaException($"picture of {width} x {height} pixels: one side may be at most {MaxAspectRatio} times the other");
    }
}
