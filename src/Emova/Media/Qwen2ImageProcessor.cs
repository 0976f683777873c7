namespace Emova.Media;

/// <summary>Patches of one picture, ready for the vision encoder.</summary>
/// <param name="Rows">(GridHeight * GridWidth, RowSize) normalized values; see <see cref="Qwen2ImageProcessor"/> for the order.</param>
/// <param name="GridHeight">Patches per column, a multiple of the merge size.</param>
/// <param name="GridWidth">Patches per row, a multiple of the merge size.</param>
public sealed record ImagePatches(float[] Rows, int GridHeight, int GridWidth)
{
    /// <summary>Number of patches.</summary>
    public int Count => GridHeight * GridWidth;
}

/// <summary>
/// Picture -> patch rows of Qwen2-ViT: smart resize, bicubic scaling, scaling to 0..1, CLIP mean and deviation, and patches in
/// merge-block order (the four patches of a 2x2 block follow each other, blocks in raster order). A row holds
/// (channel, frame, y, x); a still picture repeats its one frame.
/// </summary>
public sealed class Qwen2ImageProcessor
{
    /// <summary>Side of a patch in pixels.</summary>
    public int PatchSize { get; init; } = 14;

    /// <summary>Side of a merge block in patches.</summary>
    public int SpatialMergeSize { get; init; } = 2;

    /// <summary>Frames per patch.</summary>
    public int TemporalPatchSize { get; init; } = 2;

    /// <summary>Smallest area aimed for, in pixels.</summary>
    public long MinPixels { get; init; } = 4 * 28 * 28;

    /// <summary>Largest area after scaling, in pixels.</summary>
    public long MaxPixels { get; init; } = 4096 * 28 * 28;

    /// <summary>Range of the values.</summary>
    public PixelNormalization Normalization { get; init; } = PixelNormalization.Clip;

    /// <summary>Values per patch row.</summary>
    public int RowSize => 3 * TemporalPatchSize * PatchSize * PatchSize;

    /// <summary>Scales, normalizes and cuts a picture.</summary>
    /// <exception cref="EmovaException">The picture is too narrow: see <see cref="SmartResize"/>.</exception>
    public ImagePatches Process(RgbImage image)
    {
        (int height, int width) = SmartResize.Compute(image.Height, image.Width, PatchSize * SpatialMergeSize, MinPixels, MaxPixels);
        return Cut(BicubicResampler.Resize(image, width, height));
    }

    /// <summary>Normalizes and cuts a picture whose sides are already multiples of the block size.</summary>
    internal ImagePatches Cut(RgbImage image)
    {
        int gridHeight = image.Height / PatchSize, gridWidth = image.Width / PatchSize;
        float[] rows = new float[gridHeight * gridWidth * RowSize];
        int row = 0;
        for (int blockY = 0; blockY < gridHeight; blockY += SpatialMergeSize)
        {
            for (int blockX = 0; blockX < gridWidth; blockX += SpatialMergeSize)
            {
                for (int y = blockY; y < blockY + SpatialMergeSize; y++)
                {
                    for (int x = blockX; x < blockX + SpatialMergeSize; x++)
                        FillRow(image, x * PatchSize, y * PatchSize, rows.AsSpan(row++ * RowSize, RowSize));
                }
            }
        }

        return new ImagePatches(rows, gridHeight, gridWidth);
    }

    private void FillRow(RgbImage image, int left, int top, Span<float> row)
    {
        int area = PatchSize * PatchSize;
        for (int channel = 0; channel < 3; channel++)
        {
            ReadOnlySpan<float> table = Normalization.Table(channel);
            Span<float> frame = row.Slice(channel * TemporalPatchSize * area, area);
            for (int y = 0; y < PatchSize; y++)
            {
                int source = 3 * ((top + y) * image.Width + left) + channel;
                for (int x = 0; x < PatchSize; x++)
                    frame[y * PatchSize + x] = table[image.Pixels[source + 3 * x]];
            }

            for (int t = 1; t < TemporalPatchSize; t++)
                frame.CopyTo(row[((channel * TemporalPatchSize + t) * area)..]);
        }
    }
}
