using System.Text.Json;

namespace Emova.Training.Infrastructure;

/// <summary>
/// The folder of one stage, <c>runs/tiny/NAME</c>: config.yaml, metrics, and the checkpoint in <c>checkpoint/</c> with its
/// predecessor in <c>checkpoint.previous/</c>. A checkpoint is complete or absent: it is written beside and renamed.
/// </summary>
public sealed class RunFolder
{
    private const string WeightsFile = "weights.safetensors";
    private const string OptimizerFile = "optimizer.safetensors";
    private const string StateFile = "state.json";

    public RunFolder(string runs, string name)
    {
        Path = System.IO.Path.Combine(runs, name);
        Directory.CreateDirectory(Path);
    }

    /// <summary>The folder itself.</summary>
    public string Path { get; }

    /// <summary>What a checkpoint says about itself.</summary>
    /// <param name="Step">Steps finished; the next one to run. The order of the data follows from the seed and this number.</param>
    /// <param name="Seed">Seed of the run.</param>
    /// <param name="TotalSteps">Length of the schedule.</param>
    /// <param name="Seconds">Wall-clock spent in training so far.</param>
    public sealed record State(long Step, int Seed, long TotalSteps, double Seconds);

    /// <summary>The weights of the newest checkpoint of a stage.</summary>
    /// <exception cref="EmovaException">The stage has not been run.</exception>
    public static string WeightsOf(string runs, string name) =>
        Newest(System.IO.Path.Combine(runs, name)) is string folder
            ? System.IO.Path.Combine(folder, WeightsFile)
            : throw new EmovaException($"{System.IO.Path.Combine(runs, name)}: no checkpoint; run `emova-train {name}` first");

    /// <summary>The state of the newest checkpoint of a stage, or null.</summary>
    public static State? StateOf(string runs, string name) =>
        Newest(System.IO.Path.Combine(runs, name)) is string folder ? Read(folder) : null;

    /// <summary>Restores weights and optimizer from the newest checkpoint; null when there is none.</summary>
    public State? Resume(ParameterStore weights, AdamW optimizer)
    {
        if (Newest(Path) is not string folder) return null;
        weights.Load(System.IO.Path.Combine(folder, WeightsFile));
        optimizer.Load(System.IO.Path.Combine(folder, OptimizerFile));
        return Read(folder);
    }

    /// <summary>Writes a checkpoint and keeps the one before it.</summary>
    public void Save(ParameterStore weights, AdamW optimizer, State state)
    {
        string current = System.IO.Path.Combine(Path, "checkpoint"), previous = current + ".previous", temporary = current + ".tmp";
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        weights.Save(System.IO.Path.Combine(temporary, WeightsFile));
        optimizer.Save(System.IO.Path.Combine(temporary, OptimizerFile));
        File.WriteAllText(System.IO.Path.Combine(temporary, StateFile), JsonSerializer.Serialize(state));
        if (Directory.Exists(current))
        {
            if (Directory.Exists(previous)) Directory.Delete(previous, recursive: true);
            Directory.Move(current, previous);
        }
        Directory.Move(temporary, current);
    }

    private static string? Newest(string folder)
    {
        string current = System.IO.Path.Combine(folder, "checkpoint");
        foreach (string candidate in new[] { current, current + ".previous" })
            if (File.Exists(System.IO.Path.Combine(candidate, StateFile))) return candidate;
        return null;
    }

    private static State Read(string folder) =>
        JsonSerializer.Deserialize<State>(File.ReadAllText(System.IO.Path.Combine(folder, StateFile)))
        ?? throw new EmovaException($"{folder}: {StateFile} is empty");
}
