using System.CommandLine;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Emova.Training.Distributed;
using Emova.Training.Infrastructure;

namespace Emova.Training.Commands;

/// <summary>
/// `emova-train all`: every stage of a list, in order. Each stage is a process of its own, because the tensor library does not give memory
/// back. Finished stages are noted in the folder of the runs, so an interrupted run is simply repeated; a stage whose settings changed since
/// runs again, and so do those after it.
/// </summary>
internal static class AllCommand
{
    private const string NotesFile = "finished.txt";
    private const string ConfigFolder = "configs/training";

    public static Command Create()
    {
        Option<string> config = new("--config") { Description = "List of the stages: a YAML file, or the name of one in configs/training.", DefaultValueFactory = _ => "tiny" };
        Option<string> data = new("--data") { Description = "Folder of the corpus.", DefaultValueFactory = _ => "data/tiny" };
        Option<string> runs = new("--runs") { Description = "Folder of the training runs.", DefaultValueFactory = _ => "runs/tiny" };
        Option<string?> output = new("--out") { Description = "Folder of the model. Default: what the settings of `export` say." };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 2 };
        Command command = new("all", "Run every stage in order, going on where it stopped. Example: emova-train all --config tiny --data data/tiny --runs runs/tiny") { config, data, runs, output, threads };
        command.SetAction(parsed => Run(Locate(parsed.GetValue(config)!), parsed.GetValue(data)!, parsed.GetValue(runs)!, parsed.GetValue(output), parsed.GetValue(threads)));
        return command;
    }

    private static string Locate(string config) => File.Exists(config) || config.Contains('/') ? config : Path.Combine(ConfigFolder, config + ".yaml");

    private static int Run(string config, string data, string runs, string? output, int threads)
    {
        if (MpiProcessGroup.IsLaunched) throw new EmovaException("all: starts processes itself; under mpirun start the stages one by one");
        AllSettings settings = StageConfig.Load<AllSettings>(config);
        if (settings.Stages.Count == 0) throw new EmovaException($"{config}: stages: at least one is needed");
        Directory.CreateDirectory(runs);
        string notes = Path.Combine(runs, NotesFile);
        List<string> finished = File.Exists(notes) ? [.. File.ReadLines(notes)] : [];
        for (int i = 0; i < settings.Stages.Count; i++)
        {
            List<string> arguments = Arguments(settings.Stages[i], config, data, runs, output, threads);
            string note = $"{settings.Stages[i].Command} {Fingerprint(settings.Stages[i], config)}";
            if (i < finished.Count && finished[i] == note)
            {
                Console.WriteLine($"== {i + 1}/{settings.Stages.Count} {settings.Stages[i].Command}: finished before");
                continue;
            }
            finished = [.. finished.Take(i)];
            Console.WriteLine($"== {i + 1}/{settings.Stages.Count} emova-train {string.Join(' ', arguments)}");
            int code = Start(arguments);
            if (code != 0) return code;
            finished.Add(note);
            File.WriteAllLines(notes + ".tmp", finished);
            File.Move(notes + ".tmp", notes, overwrite: true);
        }
        return 0;
    }

    private static List<string> Arguments(StageEntry stage, string config, string data, string runs, string? output, int threads)
    {
        List<string> arguments = stage.Command == "glyphs" ? [stage.Command]
            : stage.Command == "data" ? [stage.Command, "--out", data]
            : [stage.Command, "--data", data, "--runs", runs, "--threads", $"{threads}"];
        if (ConfigOf(stage, config) is { } file) arguments.AddRange(["--config", file]);
        foreach (string set in stage.Set) arguments.AddRange(["--set", set]);
        if (stage.Command == "export" && output is not null) arguments.AddRange(["--set", $"output={output}"]);
        return arguments;
    }

    private static string? ConfigOf(StageEntry stage, string config) =>
        stage.Config is null ? null : Path.Combine(Path.GetDirectoryName(config) ?? "", stage.Config);

    /// <summary>Says whether a stage has the settings it had. What a command takes by itself is part of the program.</summary>
    private static string Fingerprint(StageEntry stage, string config) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(StageConfig.Text(ConfigOf(stage, config), stage.Set))).AsSpan(0, 12));

    private static int Start(List<string> arguments)
    {
        using Process process = Process.Start(OwnProgram.With(arguments))!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
