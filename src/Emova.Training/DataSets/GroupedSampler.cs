using Emova.Training.Infrastructure;

namespace Emova.Training.DataSets;

/// <summary>
/// Which examples form which batch. An epoch visits every example as often as its weight says; batch number n follows from the seed alone,
/// so a resumed run sees what it would have seen. Batches are of one modality and of similar length, as the reference's
/// modality-length-grouped sampler makes them, but speech counts: its lengths are words there, so that a minute of units counts as one.
/// </summary>
public sealed class GroupedSampler
{
    /// <summary>Batches by tokens are cut from pieces of about so many batches: lengths alike inside, but different from epoch to epoch.</summary>
    private const int PieceBatches = 32;

    private readonly int[] _lengths;
    private readonly byte[] _modalities;
    private readonly double[] _weights;
    private readonly int _seed;
    private long _firstBatch;
    private int _epoch = -1;
    private List<int[]> _batches = [];

    /// <param name="lengths">tokens of each example, about</param>
    /// <param name="modalities">examples of different modality do not meet in a batch</param>
    /// <param name="weights">visits of each example per epoch</param>
    /// <param name="seed">decides the order</param>
    public GroupedSampler(IReadOnlyList<int> lengths, IReadOnlyList<byte> modalities, IReadOnlyList<double> weights, int seed)
    {
        (_lengths, _modalities, _weights, _seed) = ([.. lengths], [.. modalities], [.. weights], seed);
        if (_lengths.Length == 0)
        {
            throw new EmovaException("datasets: not one usable example is left");
        }
    }

    /// <summary>Largest padded size of a batch, where batches are made by tokens.</summary>
    public int Tokens { get; init; } = 4096;

    /// <summary>Examples of a batch; 0 = by <see cref="Tokens"/>.</summary>
    public int BatchSize { get; init; }

    /// <summary>Batches that form one update (devices times accumulated batches): their sizes are balanced, as the reference does.</summary>
    public int Together { get; init; } = 1;

    /// <summary>Whether modality and length decide who meets.</summary>
    public bool Group { get; init; } = true;

    /// <summary>Whether examples of a batch are put in rows together, so that lengths need not be alike.</summary>
    public bool Packing { get; init; }

    /// <summary>Examples of batch <paramref name="number"/>. Not safe for several threads.</summary>
    public int[] Batch(long number)
    {
        if (number < _firstBatch)
        {
            (_epoch, _firstBatch, _batches) = (-1, 0, []);
        }

        while (number >= _firstBatch + _batches.Count)
        {
            _firstBatch += _batches.Count;
            _batches = Epoch(++_epoch);
        }

        return _batches[(int)(number - _firstBatch)];
    }

    /// <summary>All batches of an epoch in order.</summary>
    internal List<int[]> Epoch(int epoch)
    {
        Random random = new(TrainingLoop.StepSeed(_seed, -1 - epoch));
        List<int>[] groups = [.. Visits(random).GroupBy(i => Group ? _modalities[i] : 0).OrderBy(g => g.Key).Select(g => g.ToList())];
        return BatchSize > 0 ? BySize(groups, random) : ByTokens(groups, random);
    }

    /// <summary>
    /// Cuts a mega-batch, sorted by length, into chunks of equal number and about equal total: the next longest goes where least is.
    /// Where the number does not divide, every n-th one.
    /// </summary>
    internal static List<int>[] SplitEvenly(IReadOnlyList<int> sorted, IReadOnlyList<int> lengths, int chunks)
    {
        List<int>[] parts = [.. Enumerable.Range(0, chunks).Select(_ => new List<int>())];
        if (sorted.Count % chunks != 0)
        {
            for (int i = 0; i < sorted.Count; i++)
            {
                parts[i % chunks].Add(sorted[i]);
            }

            return parts;
        }

        int room = sorted.Count / chunks;
        long[] totals = new long[chunks];
        foreach (int item in sorted)
        {
            int shortest = 0;
            for (int c = 1; c < chunks; c++)
            {
                shortest = totals[c] < totals[shortest] ? c : shortest;
            }

            parts[shortest].Add(item);
            totals[shortest] = parts[shortest].Count == room ? long.MaxValue : totals[shortest] + lengths[item];
        }

        return parts;
    }

    /// <summary>Every example as often as its weight says, what is left over of it by chance, in random order.</summary>
    private List<int> Visits(Random random)
    {
        List<int> visits = [];
        for (int i = 0; i < _lengths.Length; i++)
        {
            int whole = (int)_weights[i];
            int times = whole + (random.NextDouble() < _weights[i] - whole ? 1 : 0);
            for (int k = 0; k < times; k++)
            {
                visits.Add(i);
            }
        }

        if (visits.Count == 0)
        {
            visits.Add(random.Next(_lengths.Length)); // an epoch of nothing would never end
        }

        Shuffle(visits, random);
        return visits;
    }

    /// <summary>
    /// The reference's way: mega-batches of one modality, each sorted and split evenly; the last one of every modality, which may be short,
    /// goes to the end.
    /// </summary>
    private List<int[]> BySize(List<int>[] groups, Random random)
    {
        int mega = BatchSize * Together;
        List<List<int>> full = [];
        List<int> rest = [];
        foreach (List<int> group in groups)
        {
            List<List<int>> pieces = [.. group.Chunk(mega).Select(c => c.ToList())];
            if (groups.Length > 1 || pieces[^1].Count < mega)
            {
                rest.AddRange(pieces[^1]);
                pieces.RemoveAt(pieces.Count - 1);
            }

            full.AddRange(pieces);
        }

        Shuffle(full, random);
        List<int[]> batches = [];
        foreach (List<int> piece in full.Concat(rest.Order().Chunk(mega).Select(c => c.ToList())))
        {
            int chunks = (piece.Count + BatchSize - 1) / BatchSize;
            IReadOnlyList<int> sorted = Group ? [.. piece.OrderByDescending(i => _lengths[i])] : piece;
            batches.AddRange((Group ? SplitEvenly(sorted, _lengths, chunks) : [.. piece.Chunk(BatchSize).Select(c => c.ToList())]).Select(c => c.ToArray()));
        }

        return batches;
    }

    private List<int[]> ByTokens(List<int>[] groups, Random random)
    {
        List<int[]> batches = [];
        foreach (List<int> group in groups)
        {
            for (int first = 0; first < group.Count;)
            {
                int next = first;
                for (long total = 0; next < group.Count && (total < (long)PieceBatches * Tokens || next == first); next++)
                {
                    total += _lengths[group[next]];
                }

                IEnumerable<int> piece = group.Skip(first).Take(next - first);
                batches.AddRange(Cut(Group && !Packing ? piece.OrderBy(i => _lengths[i]) : piece));
                first = next;
            }
        }

        Shuffle(batches, random);
        return batches;
    }

    private IEnumerable<int[]> Cut(IEnumerable<int> items)
    {
        List<int> current = [];
        long longest = 0, sum = 0;
        foreach (int item in items)
        {
            int length = _lengths[item];
            long size = Packing ? sum + length : (current.Count + 1) * Math.Max(longest, length);
            if (current.Count > 0 && size > Tokens)
            {
                yield return [.. current];
                current.Clear();
                (longest, sum) = (0, 0);
            }

            current.Add(item);
            (longest, sum) = (Math.Max(longest, length), sum + length);
        }

        if (current.Count > 0)
        {
            yield return [.. current];
        }
    }

    private static void Shuffle<T>(List<T> list, Random random)
    {
        for (int i = list.Count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (list[i], list[j]) = (list[j], list[i]);
        }
    }
}
