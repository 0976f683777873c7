namespace Emova.Training.Stages.Vision;

/// <summary>
/// Changes how a picture is drawn without changing what it shows: color matrix (hue, saturation, contrast, brightness), gamma, blur,
/// noise. It makes features transfer to other drawing styles.
/// </summary>
public sealed class PictureAugmentation(Random random)
{
    /// <summary>Hue is turned by at most this many radians: more would turn orange into red.</summary>
    private const double MaxHue = 0.16;

    /// <summary>Largest shift of the picture in pixels.</summary>
    public const int MaxShift = 8;

    /// <summary>A random shift, so that objects fall on all positions of the patch raster.</summary>
    public (int X, int Y) Shift() => (random.Next(-MaxShift, MaxShift + 1), random.Next(-MaxShift, MaxShift + 1));

    /// <summary>Moves the picture; the border is repeated.</summary>
    public static byte[] Move(byte[] pixels, int width, int height, int shiftX, int shiftY)
    {
        byte[] moved = new byte[pixels.Length];
        for (int y = 0; y < height; y++)
        {
            int sourceY = Math.Clamp(y - shiftY, 0, height - 1);
            for (int x = 0; x < width; x++)
            {
                int source = 3 * ((sourceY * width) + Math.Clamp(x - shiftX, 0, width - 1));
                int target = 3 * ((y * width) + x);
                moved[target] = pixels[source];
                moved[target + 1] = pixels[source + 1];
                moved[target + 2] = pixels[source + 2];
            }
        }

        return moved;
    }

    /// <summary>Draws new colors, sharpness and noise in place.</summary>
    public void Redraw(byte[] pixels, int width, int height)
    {
        if (random.NextDouble() < 0.35)
        {
            Blur(pixels, width, height, horizontal: true);
            Blur(pixels, width, height, horizontal: false);
        }

        float[] matrix = ColorMatrix(out float offset);
        float[] gamma = new float[256];
        double exponent = Math.Exp(Uniform(0.25));
        for (int i = 0; i < 256; i++)
        {
            gamma[i] = (float)(255 * Math.Pow(i / 255.0, exponent));
        }

        double noise = random.NextDouble() < 0.4 ? random.NextDouble() * 8 : 0;
        uint state = (uint)random.Next() | 1;
        for (int i = 0; i < pixels.Length; i += 3)
        {
            float r = gamma[pixels[i]], g = gamma[pixels[i + 1]], b = gamma[pixels[i + 2]];
            for (int c = 0; c < 3; c++)
            {
                // Sum of two bytes of a small generator: a triangular distribution is enough for pixel noise.
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                float n = (float)(noise * (((state & 255) + ((state >> 8) & 255)) - 255) / 104.0);
                pixels[i + c] = (byte)Math.Clamp((matrix[3 * c] * r) + (matrix[(3 * c) + 1] * g) + (matrix[(3 * c) + 2] * b) + offset + n + 0.5f, 0, 255);
            }
        }
    }

    private double Uniform(double range) => ((random.NextDouble() * 2) - 1) * range;

    /// <summary>Rotation about the gray axis (hue), then towards or away from gray (saturation), then contrast about the middle.</summary>
    private float[] ColorMatrix(out float offset)
    {
        double hue = Uniform(MaxHue), saturation = 1 + Uniform(0.35), contrast = 1 + Uniform(0.25), brightness = Uniform(25);
        double cos = Math.Cos(hue), sin = Math.Sin(hue) / Math.Sqrt(3), mean = (1 - cos) / 3;
        double[] rotation = [cos + mean, mean - sin, mean + sin, mean + sin, cos + mean, mean - sin, mean - sin, mean + sin, cos + mean];
        float[] matrix = new float[9];
        for (int row = 0; row < 3; row++)
        {
            for (int column = 0; column < 3; column++)
            {
                double gray = (rotation[column] + rotation[3 + column] + rotation[6 + column]) / 3;
                matrix[(3 * row) + column] = (float)(contrast * (gray + (saturation * (rotation[(3 * row) + column] - gray))));
            }
        }

        offset = (float)((127.5 * (1 - contrast)) + brightness);
        return matrix;
    }

    /// <summary>The kernel 1 2 1 / 4 along one axis.</summary>
    private static void Blur(byte[] pixels, int width, int height, bool horizontal)
    {
        byte[] source = (byte[])pixels.Clone();
        int step = horizontal ? 3 : 3 * width;
        for (int y = horizontal ? 0 : 1; y < (horizontal ? height : height - 1); y++)
        {
            int first = (3 * y * width) + (horizontal ? 3 : 0), last = (3 * (y + 1) * width) - (horizontal ? 3 : 0);
            for (int i = first; i < last; i++)
            {
                pixels[i] = (byte)((source[i - step] + (2 * source[i]) + source[i + step] + 2) >> 2);
            }
        }
    }
}
