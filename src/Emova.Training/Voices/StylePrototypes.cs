namespace Emova.Training.Voices;

/// <summary>A style made of recordings.</summary>
/// <param name="Name">Its label, or <c>cluster-N</c>.</param>
/// <param name="Vector">Mean of the recordings' style vectors.</param>
/// <param name="Members">Indices of the recordings, the most typical first.</param>
public sealed record StylePrototype(string Name, float[] Vector, IReadOnlyList<int> Members);

/// <summary>
/// Style prototypes from what a style encoder says about recordings: the mean of each label, as the published speech tokenizer's 126
/// styles are, or the means of clusters where nobody labelled them. Means of unit vectors are kept as they are, shorter than 1.
/// </summary>
public static class StylePrototypes
{
    private const int Rounds = 100;

    /// <summary>The mean vector of each label, in the order of the labels' names.</summary>
    public static IReadOnlyList<StylePrototype> OfLabels(IEnumerable<(string Label, float[] Vector)> recordings)
    {
        (string Label, float[] Vector)[] all = [.. recordings];
        float[][] vectors = [.. all.Select(recording => recording.Vector)];
        return [.. Enumerable.Range(0, all.Length).GroupBy(i => all[i].Label).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => Describe(group.Key, vectors, [.. group]))];
    }

    /// <summary>
    /// k-means with the spread-out start of k-means++ (Arthur and Vassilvitskii 2007), the largest cluster first; the same recordings and
    /// seed give the same clusters.
    /// </summary>
    /// <exception cref="EmovaException">There are fewer recordings than clusters.</exception>
    public static IReadOnlyList<StylePrototype> OfClusters(IReadOnlyList<float[]> vectors, int clusters, int seed)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        if (clusters < 1 || clusters > vectors.Count) throw new EmovaException($"{clusters} clusters of {vectors.Count} recordings: expected 1 to {vectors.Count}");
        float[][] centers = Spread(vectors, clusters, new Random(seed));
        int[] nearest = new int[vectors.Count];
        for (int round = 0; round < Rounds; round++)
        {
            int[] next = [.. vectors.Select(vector => Nearest(vector, centers))];
            if (round > 0 && next.AsSpan().SequenceEqual(nearest)) break;
            nearest = next;
            for (int c = 0; c < clusters; c++)
            {
                int[] members = [.. Enumerable.Range(0, nearest.Length).Where(i => nearest[i] == c)];
                if (members.Length > 0) centers[c] = Mean(vectors, members);
            }
        }

        return [.. Enumerable.Range(0, clusters).Select(c => (int[])[.. Enumerable.Range(0, nearest.Length).Where(i => nearest[i] == c)]).Where(members => members.Length > 0)
            .OrderByDescending(members => members.Length).ThenBy(members => members[0]).Select((members, rank) => Describe($"cluster-{rank}", vectors, members))];
    }

    private static StylePrototype Describe(string name, IReadOnlyList<float[]> vectors, int[] members)
    {
        float[] mean = Mean(vectors, members);
        return new StylePrototype(name, mean, [.. members.OrderBy(i => Distance(vectors[i], mean)).ThenBy(i => i)]);
    }

    private static float[][] Spread(IReadOnlyList<float[]> vectors, int count, Random random)
    {
        List<float[]> centers = [vectors[random.Next(vectors.Count)]];
        while (centers.Count < count)
        {
            double[] distances = [.. vectors.Select(vector => centers.Min(center => Distance(vector, center)))];
            double at = random.NextDouble() * distances.Sum();
            int chosen = 0;
            while (chosen < distances.Length - 1 && (at -= distances[chosen]) > 0) chosen++;
            centers.Add(vectors[chosen]);
        }

        return [.. centers];
    }

    private static int Nearest(float[] vector, float[][] centers) => Enumerable.Range(0, centers.Length).MinBy(c => Distance(vector, centers[c]));

    private static double Distance(float[] a, float[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return sum;
    }

    private static float[] Mean(IReadOnlyList<float[]> vectors, IReadOnlyList<int> members)
    {
        double[] sum = new double[vectors[members[0]].Length];
        foreach (int member in members)
        {
            for (int i = 0; i < sum.Length; i++) sum[i] += vectors[member][i];
        }

        return [.. sum.Select(value => (float)(value / members.Count))];
    }
}
