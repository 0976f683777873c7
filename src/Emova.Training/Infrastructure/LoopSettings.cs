using YamlDotNet.Serialization;

namespace Emova.Training.Infrastructure;

/// <summary>Settings every stage has.</summary>
public record LoopSettings
{
    /// <summary>Name of the run folder; null = that of the stage. A stage in several parts gives each part a name.</summary>
    public string? Run { get; set; }

    /// <summary>Run whose weights this one starts from; null = random weights, or what the stage itself says.</summary>
    public string? StartFrom { get; set; }

    public int Seed { get; set; } = 1;

    /// <summary>Length of the run; the learning-rate schedule ends here.</summary>
    public long TotalSteps { get; set; } = 1000;

    /// <summary>Ends the run at this step although the schedule is longer, because another run goes on from its weights.</summary>
    public long? StopAt { get; set; }

    public double LearningRate { get; set; } = 1e-3;

    public long WarmupSteps { get; set; } = 50;

    /// <summary>Warm-up as a part of the run (0 to 1), rounded up to whole steps, instead of <see cref="WarmupSteps"/>; null = those.</summary>
    public double? WarmupRatio { get; set; }

    /// <summary>Learning rate at the end of the cosine relative to its peak, 0 to 1.</summary>
    public double FinalRate { get; set; } = 0.01;

    public double ClipNorm { get; set; } = 5;

    /// <summary>Constants of AdamW that differ from those of the stage.</summary>
    public OptimizerSettings Optimizer { get; set; } = new();

    public int LogEvery { get; set; } = 20;

    public int EvaluateEvery { get; set; } = 500;

    public double CheckpointSeconds { get; set; } = 120;

    /// <summary>
    /// Batches whose gradients are averaged before an update: a larger batch without its memory. Processes that train together share
    /// these batches, so there must be at least as many.
    /// </summary>
    public int Accumulate { get; set; } = 1;

    /// <summary>Updates in a row that may be skipped because the loss or a gradient is not finite; one more stops the run.</summary>
    public int SkipsAllowed { get; set; } = 20;

    /// <summary>Decay of the moving average of the weights, such as 0.999; the average is measured and handed on instead of the weights. 0 = off.</summary>
    public double EmaDecay { get; set; }

    /// <summary>Ends the run when a measure of the evaluation gets no better; its best weights are handed on.</summary>
    public EarlyStopSettings EarlyStop { get; set; } = new();

    /// <summary>Batches of the whole run.</summary>
    [YamlIgnore]
    public long TotalBatches => TotalSteps * Accumulate;

    /// <summary>Warm-up, then a cosine to <see cref="FinalRate"/>.</summary>
    [YamlIgnore]
    public LearningRateSchedule Schedule =>
        new(LearningRate, TotalSteps, WarmupRatio is { } ratio ? (long)Math.Ceiling(TotalSteps * ratio) : WarmupSteps, FinalRate);

    /// <summary>The folder of the run.</summary>
    public RunFolder OpenRun(string runs, string stage) => new(runs, Run ?? stage);

    /// <summary>Puts the weights the run starts from into <paramref name="weights"/>, if it starts from any.</summary>
    public void LoadStart(string runs, ParameterStore weights)
    {
        if (StartFrom is not null) weights.Load(RunFolder.WeightsOf(runs, StartFrom));
    }

    /// <summary>Rejects what no run can have.</summary>
    /// <exception cref="EmovaException">Names the key and its range.</exception>
    public void Validate()
    {
        Require(TotalSteps >= 1, "total_steps", TotalSteps, "1 or more");
        Require(Accumulate >= 1, "accumulate", Accumulate, "1 or more");
        Require(LogEvery >= 1, "log_every", LogEvery, "1 or more");
        Require(EvaluateEvery >= 1, "evaluate_every", EvaluateEvery, "1 or more");
        Require(LearningRate > 0, "learning_rate", LearningRate, "more than 0");
        Require(ClipNorm > 0, "clip_norm", ClipNorm, "more than 0");
        Require(WarmupRatio is null or (>= 0 and < 1), "warmup_ratio", WarmupRatio, "0 to 1");
        Require(FinalRate is >= 0 and <= 1, "final_rate", FinalRate, "0 to 1");
        Require(EmaDecay is >= 0 and < 1, "ema_decay", EmaDecay, "0 to 1 (exclusive)");
        Require(EarlyStop.Patience >= 1, "early_stop.patience", EarlyStop.Patience, "1 or more");
        Require(Optimizer.Beta1 is null or (>= 0 and < 1), "optimizer.beta1", Optimizer.Beta1, "0 to 1 (exclusive)");
        Require(Optimizer.Beta2 is null or (>= 0 and < 1), "optimizer.beta2", Optimizer.Beta2, "0 to 1 (exclusive)");
        Require(Optimizer.Epsilon is null or > 0, "optimizer.epsilon", Optimizer.Epsilon, "more than 0");
    }

    private static void Require(bool holds, string key, object? value, string range)
    {
        if (!holds) throw new EmovaException($"{key} {value}: expected {range}");
    }
}

/// <summary>Constants of AdamW; null keeps what the stage was made with.</summary>
public sealed record OptimizerSettings
{
    public double? Beta1 { get; set; }

    public double? Beta2 { get; set; }

    public double? Epsilon { get; set; }
}

/// <summary>When a run ends before its last step.</summary>
public sealed record EarlyStopSettings
{
    /// <summary>Name of the value to watch among those of the evaluation; null = never end early.</summary>
    public string? Measure { get; set; }

    /// <summary>Evaluations in a row that may pass without a better value.</summary>
    public int Patience { get; set; } = 3;

    /// <summary>Whether larger values are better.</summary>
    public bool Maximize { get; set; }

    /// <summary>Smallest difference that counts as better.</summary>
    public double MinimumGain { get; set; }
}
