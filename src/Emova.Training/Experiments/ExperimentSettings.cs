namespace Emova.Training.Experiments;

/// <summary>One way to train: a configuration of the stage `align`, run once per seed.</summary>
public sealed record ExperimentArm
{
    /// <summary>Name of its configuration, beside that of the experiment, and of its run folders.</summary>
    public string Name { get; set; } = "";

    /// <summary>What the table calls it.</summary>
    public string Label { get; set; } = "";

    /// <summary>Units its corpus has: "as encoded", or as <see cref="UnitKinds"/> makes them.</summary>
    public UnitKind Units { get; set; } = UnitKind.AsEncoded;
}

/// <summary>A measure of the last evaluation of a run.</summary>
public sealed record ExperimentScore
{
    /// <summary>Its name in metrics.jsonl.</summary>
    public string Metric { get; set; } = "";

    /// <summary>What the table calls it.</summary>
    public string Label { get; set; } = "";

    /// <summary>Whether it is a share, written in percent.</summary>
    public bool Percent { get; set; }

    /// <summary>Arm that the others are compared with in this measure, seed by seed; null = none.</summary>
    public string? Against { get; set; }

    /// <summary>Whether the plot shows it.</summary>
    public bool Plot { get; set; }
}

/// <summary>An experiment: arms that differ in one thing, each run with several seeds. A file in configs/training/experiments.</summary>
public sealed record ExperimentSettings
{
    /// <summary>Title of the plot.</summary>
    public string Title { get; set; } = "";

    /// <summary>Run whose vision encoder, projector and language model every arm starts from.</summary>
    public string VisionFrom { get; set; } = "vision";

    /// <inheritdoc cref="VisionFrom"/>
    public string ProjectorFrom { get; set; } = "pretrain-1";

    /// <inheritdoc cref="VisionFrom"/>
    public string LanguageFrom { get; set; } = "language";

    /// <summary>Run of the speech encoder whose phone head reads written units.</summary>
    public string SpeechEncoder { get; set; } = "speech-encoder";

    /// <summary>Updates of every run, a multiple of 64: halves of a run must be whole groups of 32 batches.</summary>
    public int Steps { get; set; } = 64;

    /// <summary>Runs per arm, with the seeds 1, 2, ...; 2 to 20.</summary>
    public int Seeds { get; set; } = 3;

    /// <summary>For arms with other units: training utterances in use, of each kind of voice.</summary>
    public int Utterances { get; set; } = 3000;

    /// <summary>The arms, in the order of the table.</summary>
    public List<ExperimentArm> Arms { get; set; } = [];

    /// <summary>The measures, in the order of the table.</summary>
    public List<ExperimentScore> Scores { get; set; } = [];
}
