namespace Emova.Evaluation.Tiny;

/// <summary>What <c>eval tiny</c> is asked to do.</summary>
public sealed record TinyOptions
{
    /// <summary>Corpus folder written by <c>emova-train data</c>.</summary>
    public string Data { get; init; } = "data/tiny";

    /// <summary>Parts to run; null runs all of <see cref="TinySuite.PartNames"/>.</summary>
    public IReadOnlyList<string>? Only { get; init; }

    /// <summary>At most this many test items per figure; 1 or more.</summary>
    public int Limit { get; init; } = 300;

    /// <summary>Number of sampled replies that must parse.</summary>
    public int SampledReplies { get; init; } = 1000;

    /// <summary>Seed of sampling, choice of items and intervals.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Test items worked on at the same time; 1 or more.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Folder below which Debian packages with human recordings are installed.</summary>
    public string PackageRoot { get; init; } = "/";

    /// <summary>The command line that repeats this run, for the report.</summary>
    public string Command { get; init; } = "emova eval tiny";

    /// <exception cref="EmovaException">An option is outside its range.</exception>
    public TinyOptions Validate()
    {
        if (Limit < 1) throw new EmovaException($"--limit {Limit}: must be 1 or more");
        if (SampledReplies < 1) throw new EmovaException($"--sampled {SampledReplies}: must be 1 or more");
        if (Threads < 1) throw new EmovaException($"--threads {Threads}: must be 1 or more");
        foreach (string part in Only ?? [])
            if (!TinySuite.PartNames.Contains(part)) throw new EmovaException($"--only {part}: unknown part; the parts are {string.Join(", ", TinySuite.PartNames)}");
        return this;
    }
}
