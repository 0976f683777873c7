namespace Emova.Models.Speech.Vits;

/// <summary>
/// Monotonic piecewise rational-quadratic function with identity tails (neural spline flows, arXiv 1906.04032): ten bins on
/// [-5, 5], slope 1 at both ends. Computed in double: it runs on a few numbers per unit, and its inverse subtracts.
/// </summary>
internal static class RationalQuadraticSpline
{
    /// <summary>Bins K.</summary>
    public const int Bins = 10;

    /// <summary>Raw parameters of one function: K widths, K heights, K - 1 inner slopes.</summary>
    public const int Parameters = 3 * Bins - 1;

    private const double Bound = 5;
    private const double MinimumSize = 1e-3; // of a bin, as a fraction of the whole
    private const double MinimumSlope = 1e-3;

    /// <summary>y = f(x), with the logarithm of f'(x).</summary>
    /// <param name="parameters">Raw parameters; widths and heights already divided by the root of the channel count.</param>
    /// <param name="x">Position.</param>
    public static (double Y, double LogSlope) Forward(ReadOnlySpan<float> parameters, double x)
    {
        if (!(x >= -Bound && x <= Bound)) return (x, 0);
        Bin bin = Find(parameters, x, byOutput: false);
        double theta = (x - bin.X) / bin.Width, mixed = theta * (1 - theta), s = bin.Height / bin.Width;
        double denominator = s + (bin.LeftSlope + bin.RightSlope - 2 * s) * mixed;
        double y = bin.Y + bin.Height * (s * theta * theta + bin.LeftSlope * mixed) / denominator;
        return (y, LogSlope(bin, theta));
    }

    /// <summary>x with f(x) = y, with the logarithm of the inverse's slope.</summary>
    /// <param name="parameters">As in <see cref="Forward"/>.</param>
    /// <param name="y">Value.</param>
    public static (double X, double LogSlope) Inverse(ReadOnlySpan<float> parameters, double y)
    {
        if (!(y >= -Bound && y <= Bound)) return (y, 0);
        Bin bin = Find(parameters, y, byOutput: true);
        double s = bin.Height / bin.Width, bend = bin.LeftSlope + bin.RightSlope - 2 * s, rise = y - bin.Y;
        double a = rise * bend + bin.Height * (s - bin.LeftSlope), b = bin.Height * bin.LeftSlope - rise * bend, c = -s * rise;
        double theta = 2 * c / (-b - Math.Sqrt(Math.Max(0, b * b - 4 * a * c)));
        return (theta * bin.Width + bin.X, -LogSlope(bin, theta));
    }

    private static double LogSlope(in Bin bin, double theta)
    {
        double mixed = theta * (1 - theta), s = bin.Height / bin.Width, denominator = s + (bin.LeftSlope + bin.RightSlope - 2 * s) * mixed;
        double numerator = s * s * (bin.RightSlope * theta * theta + 2 * s * mixed + bin.LeftSlope * (1 - theta) * (1 - theta));
        return Math.Log(numerator) - 2 * Math.Log(denominator);
    }

    private static Bin Find(ReadOnlySpan<float> parameters, double value, bool byOutput)
    {
        Span<double> x = stackalloc double[Bins + 1], y = stackalloc double[Bins + 1];
        Edges(parameters[..Bins], x);
        Edges(parameters.Slice(Bins, Bins), y);
        ReadOnlySpan<double> edges = byOutput ? y : x;
        int bin = 0;
        while (bin < Bins - 1 && value >= edges[bin + 1]) bin++;
        return new Bin(x[bin], x[bin + 1] - x[bin], y[bin], y[bin + 1] - y[bin], Slope(parameters, bin), Slope(parameters, bin + 1));
    }

    private static double Slope(ReadOnlySpan<float> parameters, int edge) =>
        edge is 0 or Bins ? 1 : MinimumSlope + SoftPlus(parameters[2 * Bins + edge - 1]);

    private static double SoftPlus(double x) => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)));

    /// <summary>Softmax of the raw sizes, kept above the minimum, summed up from -5 to 5.</summary>
    private static void Edges(ReadOnlySpan<float> raw, Span<double> edges)
    {
        double maximum = double.NegativeInfinity, total = 0;
        foreach (float value in raw) maximum = Math.Max(maximum, value);
        foreach (float value in raw) total += Math.Exp(value - maximum);
        double sum = 0;
        edges[0] = -Bound;
        for (int i = 0; i < Bins; i++)
        {
            sum += MinimumSize + (1 - MinimumSize * Bins) * Math.Exp(raw[i] - maximum) / total;
            edges[i + 1] = 2 * Bound * sum - Bound;
        }

        edges[Bins] = Bound;
    }

    private readonly record struct Bin(double X, double Width, double Y, double Height, double LeftSlope, double RightSlope);
}
