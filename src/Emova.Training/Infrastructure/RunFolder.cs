using System.Text.Json;

namespace Emova.Training.Infrastructure;

/// <summary>
/// The folder of one stage, <c>runs/tiny/NAME</c>: config.yaml, metrics, the checkpoint in <c>checkpoint/</c> with its predecessor in
/// <c>checkpoint.previous/</c>, and <c>best/</c> where a run may end early. A checkpoint is complete or absent: it is written beside and renamed.
/// </summary>
public sealed class RunFolder
{
    private const string WeightsFile = "weights.safetensors";
    private const string AverageFile = "average.safetensors";
    private const string OptimizerFile = "optimizer.safetensors";
    private const string StateFile = "state.json";
    private const string BestFolder = "best";
    private const string ModelFile = "model.safetensors";

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
    /// <param name="Evaluated">Step of the last finished evaluation; null in checkpoints from before this was noted.</param>
    /// <param name="Best">Best value of the measure that may end the run early.</param>
    /// <param name="Worse">Evaluations since then.</param>
    public sealed record State(long Step, int Seed, long TotalSteps, double Seconds, long? Evaluated = null, double? Best = null, int Worse = 0);

    /// <summary>
    /// The weights that a stage hands on: the best ones of a run that may end early, else the moving average where there is one, else the
    /// weights of the newest checkpoint. A path to a model folder gives that folder's weights.
    /// </summary>
    /// <exception cref="EmovaException">The stage has not been run.</exception>
    public static string WeightsOf(string runs, string name)
    {
        if (IsModelFolder(name))
        {
            string model = System.IO.Path.Combine(name, ModelFile);
            return File.Exists(model) ? model : throw new EmovaException($"{name}: no {ModelFile}; training starts from folders with one weight file");
        }
        string folder = System.IO.Path.Combine(runs, name), best = System.IO.Path.Combine(folder, BestFolder, WeightsFile);
        if (File.Exists(best)) return best;
        string newest = Newest(folder) ?? throw new EmovaException($"{folder}: no checkpoint; run `emova-train {name}` first");
        string average = System.IO.Path.Combine(newest, AverageFile);
        return File.Exists(average) ? average : System.IO.Path.Combine(newest, WeightsFile);
    }

    /// <summary>A file that lies beside the checkpoints of a stage, or in a model folder given by its path.</summary>
    public static string FileOf(string runs, string name, string file) =>
        IsModelFolder(name) ? System.IO.Path.Combine(name, file) : System.IO.Path.Combine(runs, name, file);

    /// <summary>Whether a name is the path of a model folder rather than the name of a run.</summary>
    public static bool IsModelFolder(string name) => File.Exists(System.IO.Path.Combine(name, "config.json"));

    /// <summary>The state of the newest checkpoint of a stage, or null.</summary>
    public static State? StateOf(string runs, string name) =>
        Newest(System.IO.Path.Combine(runs, name)) is string folder ? Read(folder) : null;

    /// <summary>Keeps other processes from training in this folder until the result is disposed or this process dies.</summary>
    /// <exception cref="EmovaException">Another process does.</exception>
    public IDisposable Lock()
    {
        string path = System.IO.Path.Combine(Path, "lock");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error)
        {
            throw new EmovaException($"{path}: another process trains in this folder; wait for it or stop it", error);
        }
    }

    /// <summary>Restores weights, optimizer and average from the newest checkpoint; null when there is none.</summary>
    public State? Resume(ParameterStore weights, AdamW optimizer, WeightAverage? average = null)
    {
        if (Newest(Path) is not string folder) return null;
        weights.Load(System.IO.Path.Combine(folder, WeightsFile));
        optimizer.Load(System.IO.Path.Combine(folder, OptimizerFile));
        average?.Load(System.IO.Path.Combine(folder, AverageFile));
        return Read(folder);
    }

    /// <summary>Writes a checkpoint and keeps the one before it.</summary>
    /// <exception cref="EmovaException">The disk is full or not writable; the checkpoint before is untouched.</exception>
    public void Save(ParameterStore weights, AdamW optimizer, State state, WeightAverage? average = null)
    {
        string current = System.IO.Path.Combine(Path, "checkpoint"), previous = current + ".previous", temporary = current + ".tmp";
        try
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            Directory.CreateDirectory(temporary);
            weights.Save(System.IO.Path.Combine(temporary, WeightsFile));
            optimizer.Save(System.IO.Path.Combine(temporary, OptimizerFile));
            average?.With(() => Write(weights, System.IO.Path.Combine(temporary, AverageFile)));
            WriteState(temporary, state);
            if (Directory.Exists(current))
            {
                if (Directory.Exists(previous)) Directory.Delete(previous, recursive: true);
                Directory.Move(current, previous);
            }
            Directory.Move(temporary, current);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or EmovaException)
        {
            // What was written of it must not take the room that the next attempt needs.
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            throw new EmovaException($"{current}: cannot write step {state.Step}: {error.Message}; the checkpoint before is kept", error);
        }
    }

    /// <summary>Notes something about the newest checkpoint without writing its weights again.</summary>
    /// <exception cref="EmovaException">The disk is full or not writable; the checkpoint is as it was.</exception>
    public void Note(State state)
    {
        try
        {
            WriteState(System.IO.Path.Combine(Path, "checkpoint"), state);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{Path}: cannot note the evaluation of step {state.Step}: {error.Message}", error);
        }
    }

    /// <summary>Keeps the weights, or their average where there is one, as the best so far.</summary>
    /// <exception cref="EmovaException">The disk is full or not writable.</exception>
    public void KeepBest(ParameterStore weights, WeightAverage? average = null)
    {
        string folder = System.IO.Path.Combine(Path, BestFolder), path = System.IO.Path.Combine(folder, WeightsFile);
        Directory.CreateDirectory(folder);
        if (average is null) weights.Save(path);
        else average.With(() => Write(weights, path));
    }

    private static bool Write(ParameterStore weights, string path)
    {
        weights.Save(path);
        return true;
    }

    private static string? Newest(string folder)
    {
        string current = System.IO.Path.Combine(folder, "checkpoint");
        foreach (string candidate in new[] { current, current + ".previous" })
            if (File.Exists(System.IO.Path.Combine(candidate, StateFile))) return candidate;
        return null;
    }

    private static void WriteState(string folder, State state)
    {
        string path = System.IO.Path.Combine(folder, StateFile);
        File.WriteAllText(path + ".tmp", JsonSerializer.Serialize(state));
        File.Move(path + ".tmp", path, overwrite: true);
    }

    private static State Read(string folder) =>
        JsonSerializer.Deserialize<State>(File.ReadAllText(System.IO.Path.Combine(folder, StateFile)))
        ?? throw new EmovaException($"{folder}: {StateFile} is empty");
}
