namespace Emova.Training.Stages;

/// <summary>
/// Batches of items of similar length, at most <c>budget</c> long together (padding included). Each epoch is a new shuffle
/// that follows from the seed, so batch number n is the same in every run and after every resume.
/// </summary>
public sealed class LengthBuckets(IReadOnlyList<int> lengths, long budget, int seed)
{
    private long _firstStep;
    private int _epoch = -1;
    private List<int[]> _batches = [];

    /// <summary>Item indices of batch <paramref name="step"/>.</summary>
    public int[] Batch(long step)
    {
        if (step < _firstStep) (_epoch, _firstStep, _batches) = (-1, 0, []);
        while (step >= _firstStep + _batches.Count)
        {
            _firstStep += _batches.Count;
            _batches = Shuffle(++_epoch);
        }
        return _batches[(int)(step - _firstStep)];
    }

    private List<int[]> Shuffle(int epoch)
    {
        Random random = new(Infrastructure.TrainingLoop.StepSeed(seed, -1 - epoch));
        // Neighbors in a noisy ranking by length are alike, but differ from epoch to epoch.
        double[] rank = [.. lengths.Select(length => length * (1 + 0.15 * random.NextDouble()))];
        int[] order = [.. Enumerable.Range(0, lengths.Count).OrderBy(i => rank[i])];
        List<int[]> batches = [];
        List<int> current = [];
        int longest = 0;
        foreach (int item in order)
        {
            longest = Math.Max(longest, lengths[item]);
            if (current.Count > 0 && (current.Count + 1L) * longest > budget)
            {
                batches.Add([.. current]);
                current.Clear();
                longest = lengths[item];
            }
            current.Add(item);
        }
        if (current.Count > 0) batches.Add([.. current]);
        for (int i = batches.Count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (batches[i], batches[j]) = (batches[j], batches[i]);
        }
        return batches;
    }
}
