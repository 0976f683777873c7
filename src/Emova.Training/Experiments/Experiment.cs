using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Training.Infrastructure;
using Emova.Training.Stages.Language;

namespace Emova.Training.Experiments;

/// <summary>
/// Trains every arm of an experiment with every seed. Each of these is an ordinary run folder; one that is complete is not run again, one
/// that was interrupted goes on.
/// </summary>
/// <param name="name">name of the experiment</param>
/// <param name="file">its configuration</param>
/// <param name="settings">what it says</param>
public sealed class Experiment(string name, string file, ExperimentSettings settings)
{
    private const int GroupSteps = 64;

    /// <summary>Name of the experiment.</summary>
    public string Name => name;

    /// <summary>Its settings.</summary>
    public ExperimentSettings Settings => settings;

    /// <summary>One finished run.</summary>
    /// <param name="Arm">its arm</param>
    /// <param name="Seed">its seed</param>
    /// <param name="Stage">settings it was trained with</param>
    /// <param name="State">length and time</param>
    /// <param name="Measured">its last evaluation</param>
    public sealed record Result(ExperimentArm Arm, int Seed, LanguageSettings Stage, RunFolder.State State, IReadOnlyDictionary<string, double> Measured);

    /// <summary>Reads an experiment.</summary>
    /// <exception cref="EmovaException">There is none of that name, or a value is out of range.</exception>
    public static Experiment Load(string folder, string name, IEnumerable<string> overrides)
    {
        string file = Path.Combine(folder, name + ".yaml");
        ExperimentSettings settings = StageConfig.Load<ExperimentSettings>(file, overrides);
        if (settings.Steps < GroupSteps || settings.Steps % GroupSteps != 0) throw new EmovaException($"--steps {settings.Steps}: expected a multiple of {GroupSteps}");
        if (settings.Seeds is < 2 or > 20) throw new EmovaException($"--seeds {settings.Seeds}: expected 2 to 20, an interval needs several runs");
        if (settings.Arms.Count == 0 || settings.Scores.Count == 0) throw new EmovaException($"{file}: needs arms and scores");
        return new Experiment(name, file, settings);
    }

    /// <summary>Runs what is missing, seed by seed, so that an experiment cut short still compares arms. The exit code of the first run that did not end, or 0.</summary>
    /// <param name="data">corpus</param>
    /// <param name="runs">folder of the runs the arms start from</param>
    /// <param name="output">folder of the runs of this experiment</param>
    /// <param name="set">further settings of every run, KEY=VALUE</param>
    /// <param name="start">starts emova-train with some arguments in a process of its own</param>
    /// <param name="log">progress</param>
    public int Run(string data, string runs, string output, IReadOnlyList<string> set, Func<IEnumerable<string>, ProcessStartInfo> start, TextWriter log)
    {
        for (int seed = 1; seed <= settings.Seeds; seed++)
        {
            foreach (ExperimentArm arm in settings.Arms)
            {
                string run = RunName(arm, seed);
                if (RunFolder.StateOf(output, run) is { } state && state.Step == settings.Steps && Measured(output, run) is not null) continue;
                log.WriteLine($"== {run}");
                string corpus = arm.Units == UnitKind.AsEncoded ? data : UnitKinds.Prepare(data, Path.Combine(output, "data"), arm.Units, settings.Utterances, log);
                string[] arguments =
                [
                    "align", "--config", Path.Combine(Path.GetDirectoryName(file) ?? "", arm.Name + ".yaml"), "--data", corpus, "--runs", output,
                    .. new[]
                    {
                        $"run={run}", $"seed={seed}", $"total_steps={settings.Steps}", $"evaluate_every={settings.Steps}",
                        $"vision_from={In(settings.VisionFrom)}", $"projector_from={In(settings.ProjectorFrom)}", $"language_from={In(settings.LanguageFrom)}",
                        $"speech_encoder={In(settings.SpeechEncoder)}",
                    }.Concat(set).SelectMany(setting => new[] { "--set", setting }),
                ];
                using Process process = Process.Start(start(arguments))!;
                process.WaitForExit();
                if (process.ExitCode != 0) return process.ExitCode;
            }
        }
        return 0;

        string In(string stage) => Path.GetFullPath(Path.Combine(runs, stage));
    }

    /// <summary>The runs in a folder that are complete.</summary>
    public IReadOnlyList<Result> Results(string output)
    {
        List<Result> results = [];
        foreach (ExperimentArm arm in settings.Arms)
        {
            for (int seed = 1; seed <= settings.Seeds; seed++)
            {
                string run = RunName(arm, seed), folder = Path.Combine(output, run);
                if (!Directory.Exists(folder) || RunFolder.StateOf(output, run) is not { } state || state.Step != settings.Steps || Measured(output, run) is not { } measured) continue;
                results.Add(new(arm, seed, StageConfig.Load<LanguageSettings>(Path.Combine(folder, "config.yaml")), state, measured));
            }
        }
        return results;
    }

    private static string RunName(ExperimentArm arm, int seed) => string.Create(CultureInfo.InvariantCulture, $"{arm.Name}-seed{seed}");

    /// <summary>The line of the last evaluation; null while there is none.</summary>
    private Dictionary<string, double>? Measured(string output, string run)
    {
        string path = Path.Combine(output, run, "metrics.jsonl");
        if (!File.Exists(path)) return null;
        JsonNode? line = File.ReadLines(path).Select(text => JsonNode.Parse(text)).LastOrDefault(node => settings.Scores.All(score => node?[score.Metric] is not null));
        return line?.AsObject().Where(pair => pair.Value is JsonValue value && value.GetValueKind() == JsonValueKind.Number).ToDictionary(pair => pair.Key, pair => pair.Value!.GetValue<double>());
    }
}
