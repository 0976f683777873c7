namespace Emova.Media;

/// <summary>A decoded picture: 8-bit red, green, blue, row by row from the top left.</summary>
public sealed class RgbImage
{
    /// <summary>Wraps pixels without copying them.</summary>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="pixels">(height, width, 3) bytes.</param>
    public RgbImage(int width, int height, byte[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (pixels.LongLength != 3L * width * height)
            throw new ArgumentException($"{width} x {height} pixels need {3L * width * height} bytes, got {pixels.Length}", nameof(pixels));
        (Width, Height, Pixels) = (width, height, pixels);
    }

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Number of rows.</summary>
    public int Height { get; }

    /// <summary>(Height, Width, 3) bytes.</summary>
    public byte[] Pixels { get; }

    /// <summary>The picture as it should be seen, given the EXIF orientation (1..8) under which it was stored.</summary>
    internal RgbImage Orient(int orientation)
    {
        if (orientation is < 2 or > 8)
            return this;

        // Orientation n says where the stored row 0 and column 0 belong; 5..8 swap rows and columns.
        bool transpose = orientation >= 5;
        bool flipX = orientation is 2 or 3 or 7 or 8; // applied in stored coordinates
        bool flipY = orientation is 3 or 4 or 6 or 7;
        int width = transpose ? Height : Width, height = transpose ? Width : Height;
        byte[] target = new byte[Pixels.Length];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                int sourceX = transpose ? y : x, sourceY = transpose ? x : y;
                if (flipX)
                    sourceX = Width - 1 - sourceX;
                if (flipY)
                    sourceY = Height - 1 - sourceY;
                Pixels.AsSpan(3 * (sourceY * Width + sourceX), 3).CopyTo(target.AsSpan(3 * (y * width + x)));
            }
        }

        return new RgbImage(width, height, target);
    }
}
