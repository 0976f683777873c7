using StbImageSharp;

namespace Emova.Training.Data;

/// <summary>A small picture with transparency: RGBA bytes, color premultiplied by alpha.</summary>
public sealed record GlyphImage(int Width, int Height, byte[] Pixels)
{
    /// <summary>Longest side kept; larger files are averaged down when they are read.</summary>
    private const int MaximumSide = 160;

    /// <summary>Decodes a PNG and premultiplies it.</summary>
    public static GlyphImage FromPng(byte[] png)
    {
        ImageResult image = ImageResult.FromMemory(png, ColorComponents.RedGreenBlueAlpha);
        return FromRgba(image.Width, image.Height, image.Data);
    }

    /// <summary>Takes pixels that are not premultiplied, in place, and averages large pictures down.</summary>
    public static GlyphImage FromRgba(int width, int height, byte[] pixels)
    {
        for (int i = 0; i < pixels.Length; i += 4)
        {
            for (int c = 0; c < 3; c++)
                pixels[i + c] = (byte)(((pixels[i + c] * pixels[i + 3]) + 127) / 255);
        }
        var result = new GlyphImage(width, height, pixels);
        int divisor = (Math.Max(width, height) + MaximumSide - 1) / MaximumSide;
        return divisor > 1 ? result.Reduce(divisor) : result;
    }

    /// <summary>The drawing in one color: light and dark parts become lighter and darker shades of it.</summary>
    public GlyphImage Tinted(ReadOnlySpan<int> color)
    {
        // Three quarters of the color stay in the darkest part, or a dark drawing in yellow would look brown.
        const double darkest = 0.72;
        byte[] tinted = new byte[Pixels.Length];
        for (int i = 0; i < tinted.Length; i += 4)
        {
            // Premultiplied: the luminance already holds the opacity.
            double luminance = ((0.3 * Pixels[i]) + (0.59 * Pixels[i + 1]) + (0.11 * Pixels[i + 2])) / 255, opaque = Pixels[i + 3] / 255.0;
            double shade = (darkest * opaque) + ((1 - darkest) * luminance);
            for (int c = 0; c < 3; c++)
                tinted[i + c] = (byte)Math.Round(color[c] * shade);
            tinted[i + 3] = Pixels[i + 3];
        }
        return this with { Pixels = tinted };
    }

    private GlyphImage Reduce(int divisor)
    {
        int w = Width / divisor, h = Height / divisor;
        byte[] small = new byte[w * h * 4];
        for (int y = 0; y < h; y++)
        {
            for (int x = 0; x < w; x++)
            {
                for (int c = 0; c < 4; c++)
                {
                    int sum = 0;
                    for (int dy = 0; dy < divisor; dy++)
                    {
                        for (int dx = 0; dx < divisor; dx++)
                            sum += Pixels[(((((y * divisor) + dy) * Width) + (x * divisor) + dx) * 4) + c];
                    }
                    small[(((y * w) + x) * 4) + c] = (byte)(sum / (divisor * divisor));
                }
            }
        }
        return new GlyphImage(w, h, small);
    }
}
