namespace Emova.Media;

/// <summary>
/// A rectangle of a picture, which may reach beyond its edges; what lies outside has one color. Cutting, padding and centering
/// are windows: nothing is copied until rows are read.
/// </summary>
/// <param name="Image">The picture.</param>
/// <param name="Left">Column of the picture at the window's left edge; may be negative.</param>
/// <param name="Top">Row of the picture at the window's top edge; may be negative.</param>
/// <param name="Width">Pixels per row of the window.</param>
/// <param name="Height">Rows of the window.</param>
/// <param name="Outside">Color beyond the picture.</param>
internal readonly record struct ImageWindow(
    RgbImage Image, int Left, int Top, int Width, int Height, (byte Red, byte Green, byte Blue) Outside = default)
{
    /// <summary>The whole picture.</summary>
    public static ImageWindow Of(RgbImage image) => new(image, 0, 0, image.Width, image.Height);

    /// <summary>Copies row y of the window, 3 * Width bytes.</summary>
    public void CopyRow(int y, Span<byte> row)
    {
        int sourceY = Top + y;
        if (sourceY < 0 || sourceY >= Image.Height)
        {
            Fill(row[..(3 * Width)]);
            return;
        }

        int first = Math.Clamp(-Left, 0, Width), last = Math.Clamp(Image.Width - Left, first, Width);
        Fill(row[..(3 * first)]);
        if (last > first)
            Image.Pixels.AsSpan(3 * (sourceY * Image.Width + Left + first), 3 * (last - first)).CopyTo(row[(3 * first)..]);
        Fill(row[(3 * last)..(3 * Width)]);
    }

    /// <summary>Copies the window into a picture of its own.</summary>
    public RgbImage ToImage()
    {
        byte[] pixels = new byte[checked(3 * Width * Height)];
        for (int y = 0; y < Height; y++)
            CopyRow(y, pixels.AsSpan(3 * Width * y, 3 * Width));
        return new RgbImage(Width, Height, pixels);
    }

    private void Fill(Span<byte> pixels)
    {
        for (int i = 0; i < pixels.Length; i += 3)
            (pixels[i], pixels[i + 1], pixels[i + 2]) = Outside;
    }
}
