namespace Emova.Evaluation.Speech;

/// <summary>Classifies a vector by the nearest class mean, each feature in units of its spread within the classes.</summary>
public sealed class NearestCentroid
{
    private readonly string[] _labels;
    private readonly double[][] _centroids;
    private readonly double[] _scales;

    /// <summary>Learns the class means; needs at least two examples in all and one per class.</summary>
    public NearestCentroid(IReadOnlyCollection<(string Label, double[] Features)> examples)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(examples.Count, 2, nameof(examples));
        IGrouping<string, double[]>[] classes =
            [.. examples.GroupBy(example => example.Label, example => example.Features).OrderBy(group => group.Key, StringComparer.Ordinal)];
        _labels = [.. classes.Select(group => group.Key)];
        int width = classes[0].First().Length;
        _centroids = [.. classes.Select(group => Enumerable.Range(0, width).Select(f => group.Average(x => x[f])).ToArray())];
        _scales = new double[width];
        for (int f = 0; f < width; f++)
        {
            double squares = 0;
            for (int c = 0; c < classes.Length; c++)
                squares += classes[c].Sum(x => Math.Pow(x[f] - _centroids[c][f], 2));
            _scales[f] = 1 / Math.Sqrt(squares / examples.Count + 1e-12);
        }
    }

    /// <summary>The label whose centroid is nearest.</summary>
    public string Classify(double[] features)
    {
        int best = 0;
        double bestDistance = double.PositiveInfinity;
        for (int c = 0; c < _labels.Length; c++)
        {
            double distance = 0;
            for (int f = 0; f < features.Length; f++)
            {
                double difference = (features[f] - _centroids[c][f]) * _scales[f];
                distance += difference * difference;
            }
            if (distance >= bestDistance) continue;
            (best, bestDistance) = (c, distance);
        }
        return _labels[best];
    }
}
