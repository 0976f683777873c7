using System.Globalization;

namespace Emova.Training.Experiments;

/// <summary>Mean over seeds and half the width of its 95 % confidence interval, by Student's t distribution.</summary>
public readonly record struct SeedInterval(double Mean, double HalfWidth, int Seeds)
{
    /// <summary>97.5 % quantiles of the t distribution for 1, 2, ... 19 degrees of freedom (any table of it).</summary>
    private static readonly double[] Quantiles =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093,
    ];

    /// <summary>The interval of 2 to 20 values; not a number with fewer.</summary>
    public static SeedInterval Of(IReadOnlyList<double> values)
    {
        if (values.Count == 0) return new(double.NaN, double.NaN, 0);
        double mean = values.Average();
        if (values.Count == 1) return new(mean, double.NaN, 1);
        double variance = values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1);
        return new(mean, Quantiles[Math.Min(values.Count, 20) - 2] * Math.Sqrt(variance / values.Count), values.Count);
    }

    /// <summary>As in "0.520 ± 0.041" or "41.0 % ± 7.2".</summary>
    public string ToString(bool percent)
    {
        if (Seeds == 0) return "";
        (double scale, string format, string unit) = percent ? (100, "F1", " %") : (1, "F3", "");
        string mean = (scale * Mean).ToString(format, CultureInfo.InvariantCulture) + unit;
        return double.IsNaN(HalfWidth) ? mean : $"{mean} ± {(scale * HalfWidth).ToString(format, CultureInfo.InvariantCulture)}";
    }
}
