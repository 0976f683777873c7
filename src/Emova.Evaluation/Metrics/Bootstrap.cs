namespace Emova.Evaluation.Metrics;

/// <summary>A figure with the range it would fall in for 95 of 100 test sets like this one.</summary>
public readonly record struct Estimate(double Value, double Low, double High, int Items);

/// <summary>Percentile bootstrap over test items, so that the words of one sentence stay together.</summary>
public static class Bootstrap
{
    private const int Resamples = 2000;

    /// <summary>Total errors over total reference length.</summary>
    public static Estimate Rate(IReadOnlyList<ErrorRate> items, int seed)
    {
        double[] errors = [.. items.Select(item => (double)item.Errors)], counts = [.. items.Select(item => (double)item.Count)];
        return Ratio(errors, counts, seed);
    }

    /// <summary>Share of items that are right.</summary>
    public static Estimate Share(IReadOnlyList<bool> items, int seed) =>
        Ratio([.. items.Select(right => right ? 1.0 : 0.0)], [.. items.Select(_ => 1.0)], seed);

    /// <summary>Median of the values.</summary>
    public static Estimate Median(IReadOnlyList<double> values, int seed) =>
        Of(values.Count, seed, chosen =>
        {
            var picked = new double[chosen.Length];
            for (int i = 0; i < chosen.Length; i++) picked[i] = values[chosen[i]];
            Array.Sort(picked);
            return picked.Length % 2 == 1 ? picked[picked.Length / 2] : (picked[picked.Length / 2 - 1] + picked[picked.Length / 2]) / 2;
        });

    private static Estimate Ratio(double[] numerators, double[] denominators, int seed) =>
        Of(numerators.Length, seed, chosen =>
        {
            double numerator = 0, denominator = 0;
            foreach (int i in chosen)
            {
                numerator += numerators[i];
                denominator += denominators[i];
            }
            return denominator == 0 ? 0 : numerator / denominator;
        });

    /// <summary>Any statistic of a choice of item indices.</summary>
    public static Estimate Of(int items, int seed, Func<int[], double> statistic)
    {
        if (items == 0) return new Estimate(double.NaN, double.NaN, double.NaN, 0);
        int[] chosen = [.. Enumerable.Range(0, items)];
        double value = statistic(chosen);
        var random = new Random(seed);
        var samples = new double[Resamples];
        for (int sample = 0; sample < Resamples; sample++)
        {
            for (int i = 0; i < items; i++) chosen[i] = random.Next(items);
            samples[sample] = statistic(chosen);
        }
        Array.Sort(samples);
        return new Estimate(value, samples[(int)(0.025 * Resamples)], samples[(int)(0.975 * Resamples) - 1], items);
    }
}
