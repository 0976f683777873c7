namespace Emova.Media;

/// <summary>
/// Bicubic scaling of 8-bit pictures (a = -0.5) whose filter widens when scaling down. Rows are scaled first, rounded to
/// bytes, then columns, with weights in 22-bit fixed point: bit-identical to the Python Imaging Library, on which the
/// reference's pictures were scaled. Source rows are streamed, so memory depends on the result's size alone.
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
        return Resize(ImageWindow.Of(image), new Axis(width, 0, width), new Axis(height, 0, height));
    }

    /// <summary>Scales a window and keeps a part of the result.</summary>
    internal static RgbImage Resize(ImageWindow source, Axis horizontal, Axis vertical)
    {
        Taps[] columns = ComputeTaps(source.Width, horizontal), rows = ComputeTaps(source.Height, vertical);
        int rowBytes = 3 * columns.Length;
        byte[] target = new byte[checked(rowBytes * rows.Length)];
        byte[] sourceRow = new byte[3 * source.Width], row = new byte[rowBytes];
        // Windows of neighboring result rows overlap: sums of the rows still open, those of finished rows are used again.
        Queue<int[]> open = [], spare = [];
        int nextOpen = 0, nextDone = 0;
        for (int y = rows[0].Start; nextDone < rows.Length; y++)
        {
            source.CopyRow(y, sourceRow);
            ResizeRow(sourceRow, columns, row);
            for (; nextOpen < rows.Length && rows[nextOpen].Start <= y; nextOpen++)
            {
                int[] sums = spare.TryDequeue(out int[]? used) ? used : new int[rowBytes];
                Array.Fill(sums, 1 << (PrecisionBits - 1));
                open.Enqueue(sums);
            }

            int index = nextDone;
            foreach (int[] sums in open)
            {
                int weight = rows[index].Weights[y - rows[index].Start];
                for (int i = 0; i < row.Length; i++)
                    sums[i] += row[i] * weight;
                index++;
            }

            while (nextDone < nextOpen && rows[nextDone].End == y + 1)
            {
                int[] sums = open.Dequeue();
                Span<byte> output = target.AsSpan(rowBytes * nextDone++, rowBytes);
                for (int i = 0; i < output.Length; i++)
                    output[i] = Clip(sums[i]);
                spare.Enqueue(sums);
            }
        }

        return new RgbImage(columns.Length, rows.Length, target);
    }

    private static void ResizeRow(ReadOnlySpan<byte> source, Taps[] taps, Span<byte> output)
    {
        for (int x = 0; x < taps.Length; x++)
        {
            int red = 1 << (PrecisionBits - 1), green = red, blue = red;
            ReadOnlySpan<byte> window = source[(3 * taps[x].Start)..];
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

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> PrecisionBits, 0, 255);

    /// <summary>The part [First, First + Count) of a scaled side of <paramref name="Size"/> pixels.</summary>
    internal readonly record struct Axis(long Size, long First, int Count);

    /// <summary>First source position and fixed-point weights of one output position.</summary>
    private readonly record struct Taps(int Start, int[] Weights)
    {
        public int End => Start + Weights.Length;
    }

    private static Taps[] ComputeTaps(int sourceSize, Axis axis)
    {
        Taps[] taps = new Taps[axis.Count];
        if (axis.Size == sourceSize)
        {
            for (int i = 0; i < taps.Length; i++)
                taps[i] = new Taps((int)axis.First + i, [1 << PrecisionBits]);
            return taps;
        }

        double scale = (double)sourceSize / axis.Size;
        double filterScale = Math.Max(scale, 1.0);
        double support = Support * filterScale;
        for (int i = 0; i < taps.Length; i++)
        {
            double center = (axis.First + i + 0.5) * scale;
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
