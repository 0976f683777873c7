namespace Emova.Training.Data;

/// <summary>An RGB canvas with the few antialiased operations scenes need.</summary>
public sealed class SceneCanvas(int width, int height)
{
    /// <summary>Stroke width of digits relative to their height.</summary>
    private const double StrokeWidth = 0.15;

    private const int SubSamples = 2;

    /// <summary>RGB bytes, (Height, Width, 3).</summary>
    public byte[] Pixels { get; } = new byte[width * height * 3];

    public void FillBackground(SceneBackground background)
    {
        var random = new DeterministicRandom((ulong)background.Seed);
        (double sin, double cos) = Math.SinCos(random.Between(0.0, Math.PI));
        double period = random.Between(9.0, 18.0), strength = random.Between(4.0, 9.0);
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                double along = (x * cos) + (y * sin);
                double delta = background.Texture switch
                {
                    "gradient" => strength * 2 * ((along / (width + height)) - 0.25),
                    "stripes" => Math.Sin(2 * Math.PI * along / period) > 0 ? strength / 2 : -strength / 2,
                    "dots" => Dot(x, y, period) ? -strength : 0,
                    "grain" => random.Between(-strength, strength),
                    _ => 0,
                };
                for (int c = 0; c < 3; c++)
                    Pixels[(((y * width) + x) * 3) + c] = ToByte(background.Color[c] + delta);
            }
        }
    }

    /// <summary>Draws a glyph as wide as the box, keeping its proportions.</summary>
    public void DrawGlyph(GlyphImage glyph, PlacedBox box)
    {
        double scale = Math.Max(glyph.Width / box.Width, glyph.Height / box.Height);
        double left = (glyph.Width - (box.Width * scale)) / 2, top = (glyph.Height - (box.Height * scale)) / 2;
        int samples = scale > 2.5 ? SubSamples + 1 : SubSamples;
        Span<double> sum = stackalloc double[4];
        (int x0, int y0, int x1, int y1) = box.Bounds(width, height, 1);
        for (int y = y0; y < y1; y++)
        {
            for (int x = x0; x < x1; x++)
            {
                sum.Clear();
                for (int s = 0; s < samples * samples; s++)
                {
                    (double bx, double by) = box.ToBox(x + (((s % samples) + 0.5) / samples), y + (((s / samples) + 0.5) / samples));
                    AddBilinear(glyph, left + (bx * scale) - 0.5, top + (by * scale) - 0.5, sum);
                }
                double share = 1.0 / (samples * samples);
                double opaque = sum[3] * share / 255;
                if (opaque <= 0)
                    continue;
                int p = ((y * width) + x) * 3;
                for (int c = 0; c < 3; c++)
                    Pixels[p + c] = ToByte((sum[c] * share) + (Pixels[p + c] * (1 - opaque)));
            }
        }
    }

    /// <summary>Fills a polygon given in the unit square of the box.</summary>
    public void FillPolygon((double X, double Y)[] outline, PlacedBox box, ReadOnlySpan<int> color)
    {
        var points = Scale(outline, box);
        (int x0, int y0, int x1, int y1) = box.Bounds(width, height, 1);
        for (int y = y0; y < y1; y++)
        {
            for (int x = x0; x < x1; x++)
            {
                (double px, double py) = box.ToBox(x + 0.5, y + 0.5);
                double distance = Math.Sqrt(SquaredDistance(points, px, py, closed: true));
                Blend(x, y, color, Math.Clamp(0.5 + (Inside(points, px, py) ? distance : -distance), 0, 1));
            }
        }
    }

    /// <summary>Draws round strokes given in the unit square of the box.</summary>
    public void DrawStrokes(IReadOnlyList<(double X, double Y)[]> strokes, PlacedBox box, ReadOnlySpan<int> color)
    {
        double radius = box.Height * StrokeWidth / 2;
        var scaled = strokes.Select(s => Scale(s, box)).ToArray();
        (int x0, int y0, int x1, int y1) = box.Bounds(width, height, radius + 1);
        for (int y = y0; y < y1; y++)
        {
            for (int x = x0; x < x1; x++)
            {
                (double px, double py) = box.ToBox(x + 0.5, y + 0.5);
                double nearest = double.MaxValue;
                foreach (var stroke in scaled)
                    nearest = Math.Min(nearest, SquaredDistance(stroke, px, py, closed: false));
                Blend(x, y, color, Math.Clamp(0.5 + radius - Math.Sqrt(nearest), 0, 1));
            }
        }
    }

    private static (double X, double Y)[] Scale((double X, double Y)[] points, PlacedBox box) =>
        Array.ConvertAll(points, p => (p.X * box.Width, p.Y * box.Height));

    private static double SquaredDistance((double X, double Y)[] points, double x, double y, bool closed)
    {
        double nearest = double.MaxValue;
        for (int i = closed ? 0 : 1; i < points.Length; i++)
        {
            (double ax, double ay) = points[i == 0 ? points.Length - 1 : i - 1];
            double ex = points[i].X - ax, ey = points[i].Y - ay, dx = x - ax, dy = y - ay;
            double length = (ex * ex) + (ey * ey);
            double t = length == 0 ? 0 : Math.Clamp(((dx * ex) + (dy * ey)) / length, 0, 1);
            dx -= t * ex;
            dy -= t * ey;
            nearest = Math.Min(nearest, (dx * dx) + (dy * dy));
        }
        return nearest;
    }

    private static bool Inside((double X, double Y)[] points, double x, double y)
    {
        bool inside = false;
        for (int i = 0, j = points.Length - 1; i < points.Length; j = i++)
        {
            if (points[i].Y > y != points[j].Y > y
                && x < ((points[j].X - points[i].X) * (y - points[i].Y) / (points[j].Y - points[i].Y)) + points[i].X)
                inside = !inside;
        }
        return inside;
    }

    private static void AddBilinear(GlyphImage glyph, double x, double y, Span<double> sum)
    {
        int ix = (int)Math.Floor(x), iy = (int)Math.Floor(y);
        double fx = x - ix, fy = y - iy;
        AddPixel(glyph, ix, iy, (1 - fx) * (1 - fy), sum);
        AddPixel(glyph, ix + 1, iy, fx * (1 - fy), sum);
        AddPixel(glyph, ix, iy + 1, (1 - fx) * fy, sum);
        AddPixel(glyph, ix + 1, iy + 1, fx * fy, sum);
    }

    private static void AddPixel(GlyphImage glyph, int x, int y, double weight, Span<double> sum)
    {
        if ((uint)x >= (uint)glyph.Width || (uint)y >= (uint)glyph.Height)
            return;
        int p = ((y * glyph.Width) + x) * 4;
        for (int c = 0; c < 4; c++)
            sum[c] += weight * glyph.Pixels[p + c];
    }

    private void Blend(int x, int y, ReadOnlySpan<int> color, double opaque)
    {
        if (opaque <= 0)
            return;
        int p = ((y * width) + x) * 3;
        for (int c = 0; c < 3; c++)
            Pixels[p + c] = ToByte((color[c] * opaque) + (Pixels[p + c] * (1 - opaque)));
    }

    private static bool Dot(int x, int y, double period)
    {
        double dx = (x % period) - (period / 2), dy = (y % period) - (period / 2);
        return (dx * dx) + (dy * dy) < 5;
    }

    private static byte ToByte(double v) => (byte)Math.Clamp(Math.Round(v), 0, 255);
}
