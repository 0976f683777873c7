using Emova.Training.Infrastructure;

namespace Emova.Training.Stages.Language;

/// <summary>Shares of the tasks until a part of the run has passed.</summary>
public sealed record MixturePhase
{
    /// <summary>The phase holds until this part of the run (0 to 1).</summary>
    public double Until { get; set; } = 1;

    /// <summary>Share of the tokens per task name; they are normalized.</summary>
    public Dictionary<string, double> Tasks { get; set; } = [];
}

/// <summary>
/// Decides which samples form each step. Samples of some steps are drawn together, sorted by length and cut into batches of about equal
/// size, so that little is padded. Everything follows from the seed and the step number.
/// </summary>
/// <param name="pools">draws a random sample of a task</param>
/// <param name="phases">shares over time</param>
/// <param name="tokensPerStep">tokens of a batch, about</param>
/// <param name="totalSteps">length of the run</param>
/// <param name="seed">seed of the run</param>
public sealed class SampleMixture(
    IReadOnlyDictionary<LanguageTask, Func<Random, TrainingSample>> pools, IReadOnlyList<MixturePhase> phases, int tokensPerStep, long totalSteps, int seed)
{
    /// <summary>Steps that are drawn together.</summary>
    private const int GroupSteps = 32;

    /// <summary>Samples of one length would otherwise always meet the same others.</summary>
    private const double LengthNoise = 4;

    private readonly Lock _lock = new();
    private long _group = -1;
    private List<TrainingSample>[] _batches = [];

    /// <summary>The samples of a step.</summary>
    public IReadOnlyList<TrainingSample> Batch(long step)
    {
        lock (_lock)
        {
            (long group, long index) = Math.DivRem(step, GroupSteps);
            if (group != _group)
            {
                _batches = Draw(group);
                _group = group;
            }

            return _batches[index];
        }
    }

    /// <summary>Share of every task at a step, adding up to 1.</summary>
    public Dictionary<LanguageTask, double> Shares(long step)
    {
        double progress = step / (double)totalSteps;
        MixturePhase phase = phases.FirstOrDefault(p => progress < p.Until) ?? phases[^1];
        double sum = phase.Tasks.Values.Sum();
        Dictionary<LanguageTask, double> shares = [];
        foreach ((string name, double weight) in phase.Tasks)
        {
            shares[Named(name)] = weight / sum;
        }

        return shares;
    }

    /// <summary>The task of a name such as "spoken_picture".</summary>
    /// <exception cref="EmovaException">There is none, or the corpus has nothing for it.</exception>
    public LanguageTask Named(string name) =>
        Enum.TryParse(name.Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out LanguageTask known) && pools.ContainsKey(known)
            ? known
            : throw new EmovaException($"mixture: task '{name}' is unknown or has no data; known: {string.Join(", ", pools.Keys)}");

    private List<TrainingSample>[] Draw(long group)
    {
        Random random = new(TrainingLoop.StepSeed(seed, -1 - group));
        Dictionary<LanguageTask, double> shares = Shares(group * GroupSteps);
        Dictionary<LanguageTask, long> drawn = shares.Keys.ToDictionary(t => t, _ => 0L);
        List<TrainingSample> samples = [];
        long total = 0;
        while (total < (long)GroupSteps * tokensPerStep || samples.Count < GroupSteps)
        {
            // The task that is furthest behind its share comes next.
            LanguageTask task = shares.Keys.MinBy(t => drawn[t] / Math.Max(1e-9, shares[t]));
            TrainingSample sample = pools[task](random);
            samples.Add(sample);
            drawn[task] += sample.Length;
            total += sample.Length;
        }

        TrainingSample[] sorted = [.. samples.OrderBy(s => s.Length + (random.NextDouble() * LengthNoise))];
        List<TrainingSample>[] batches = [.. Enumerable.Range(0, GroupSteps).Select(_ => new List<TrainingSample>())];
        long before = 0;
        for (int i = 0; i < sorted.Length; i++)
        {
            int wanted = (int)Math.Min(GroupSteps - 1, before * GroupSteps / total);

            // Never leave a batch empty: the last samples fill one each.
            batches[Math.Max(wanted, GroupSteps - (sorted.Length - i))].Add(sorted[i]);
            before += sorted[i].Length;
        }

        random.Shuffle(batches);
        return batches;
    }
}
