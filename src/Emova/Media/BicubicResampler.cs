namespace Emova.Media;

/// <summary>
/// Bicubic scaling of 8-bit pictures (a = -0.5) whose filter widens when scaling down. Two passes, horizontal first, with
/// weights in 22-bit fixed point and 8-bit intermediate results: bit-identical to the Python Imaging Library, on which the
/// reference's pictures were scaled.
/// </summary>
public static class BicubicResampler
{
    private const int PrecisionBits = 32 - 8 - 2;
    private const double Support = 2.0;
    private const double Sharpness = -0.5;

    /// <summary>Scales a picture to exactly <paramref name="width"/> x <paramref name="height"/> pixels.</summary>
    public static RgbImage Resize(RgbImage image, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        byte[] pixels = image.Pixels; // (H, W, 3)
        if (width != image.Width)
            pixels = ResizeRows(pixels, image.Width, image.Height, width);
        if (height != image.Height)
            pixels = ResizeColumns(pixels, 3 * width, image.Height, height);
        return new RgbImage(width, height, ReferenceEquals(pixels, image.Pixels) ? [.. pixels] : pixels);
    }

    private static byte[] ResizeRows(byte[] source, int sourceWidth, int height, int width)
    {
        Taps[] taps = ComputeTaps(sourceWidth, width);
        byte[] target = new byte[3 * width * height];
        for (int y = 0; y < height; y++)
        {
            ReadOnlySpan<byte> row = source.AsSpan(3 * sourceWidth * y, 3 * sourceWidth);
            Span<byte> output = target.AsSpan(3 * width * y, 3 * width);
            for (int x = 0; x < width; x++)
            {
                int red = 1 << (PrecisionBits - 1), green = red, blue = red;
                ReadOnlySpan<byte> window = row[(3 * taps[x].Start)..];
                int[] weights = taps[x].Weights;
                for (int k = 0; k < weights.Length; k++)
                {
                    red += window[3 * k] * weights[k];
                    green += window[3 * k + 1] * weights[k];
                    blue += window[3 * k + 2] * weights[k];
                }

                output[3 * x] = Clip(red);
                output[3 * x + 1] = Clip(green);
                output[3 * x + 2] = Clip(blue);
            }
        }

        return target;
    }

    private static byte[] ResizeColumns(byte[] source, int rowBytes, int sourceHeight, int height)
    {
        Taps[] taps = ComputeTaps(sourceHeight, height);
        byte[] target = new byte[rowBytes * height];
        int[] sums = new int[rowBytes];
        for (int y = 0; y < height; y++)
        {
            Array.Fill(sums, 1 << (PrecisionBits - 1));
            for (int k = 0; k < taps[y].Weights.Length; k++)
            {
                ReadOnlySpan<byte> row = source.AsSpan(rowBytes * (taps[y].Start + k), rowBytes);
                int weight = taps[y].Weights[k];
                for (int i = 0; i < row.Length; i++)
                    sums[i] += row[i] * weight;
            }

            Span<byte> output = target.AsSpan(rowBytes * y, rowBytes);
            for (int i = 0; i < output.Length; i++)
                output[i] = Clip(sums[i]);
        }

        return target;
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> PrecisionBits, 0, 255);

    /// <summary>First source position and fixed-point weights of one output position.</summary>
    private readonly record struct Taps(int Start, int[] Weights);

    private static Taps[] ComputeTaps(int sourceSize, int size)
    {
        double scale = (double)sourceSize / size;
        double filterScale = Math.Max(scale, 1.0);
        double support = Support * filterScale;
        Taps[] taps = new Taps[size];
        for (int i = 0; i < size; i++)
        {
            double center = (i + 0.5) * scale;
            int start = Math.Max((int)(center - support + 0.5), 0);
            int count = Math.Min((int)(center + support + 0.5), sourceSize) - start;
            double[] weights = new double[count];
            double sum = 0;
            for (int k = 0; k < count; k++)
            {
                weights[k] = Cubic((k + start - center + 0.5) * (1.0 / filterScale));
                sum += weights[k];
            }

            int[] fixedPoint = new int[count];
            for (int k = 0; k < count; k++)
            {
                double scaled = weights[k] / sum * (1 << PrecisionBits);
                fixedPoint[k] = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
            }

            taps[i] = new Taps(start, fixedPoint);
        }

        return taps;
    }

    private static double Cubic(double x)
    {
        x = Math.Abs(x);
        if (x < 1.0)
            return ((Sharpness + 2.0) * x - (Sharpness + 3.0)) * x * x + 1;
        return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * Sharpness : 0.0;
    }
}
