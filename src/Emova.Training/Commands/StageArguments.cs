using System.CommandLine;
using Emova.Training.Distributed;
using Emova.Training.Runtime;
using TorchSharp;

namespace Emova.Training.Commands;

/// <summary>The options all commands share: --config, --data, --runs, --threads, --set.</summary>
public sealed class StageArguments
{
    private readonly Option<string?> _config;
    private readonly Option<string> _data = new("--data") { Description = "Folder of the corpus.", DefaultValueFactory = _ => "data/tiny" };
    private readonly Option<string> _runs = new("--runs") { Description = "Folder of the training runs.", DefaultValueFactory = _ => "runs/tiny" };
    private readonly Option<int> _threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 1 };
    private readonly Option<string[]> _set = new("--set") { Description = "Override a setting: key=value.", DefaultValueFactory = _ => [] };

    private StageArguments(string configuration) =>
        _config = new Option<string?>("--config") { Description = "YAML file with the settings.", DefaultValueFactory = _ => configuration };

    /// <summary>The values given on the command line.</summary>
    public sealed record Values(string? Config, string Data, string Runs, int Threads, string[] Set)
    {
        /// <summary>The settings: configuration file, then overrides.</summary>
        public T Settings<T>() where T : class, new() => Infrastructure.StageConfig.Load<T>(Config, Set);
    }

    /// <summary>Makes a command that prepares the tensor library and then runs <paramref name="run"/>, whose result is the exit code. What does not train (<c>trains</c>) cannot be shared by several processes.</summary>
    public static Command Create(string name, string description, string configuration, Func<Values, int> run, bool trains = true)
    {
        StageArguments arguments = new(configuration);
        Command command = new(name, description) { arguments._config, arguments._data, arguments._runs, arguments._threads, arguments._set };
        command.SetAction(parsed =>
        {
            int threads = parsed.GetValue(arguments._threads);
            if (threads is < 1 or > 64) throw new EmovaException($"--threads {threads}: expected 1 to 64");
            ProcessGroup.Join();
            if (!trains && ProcessGroup.World.Size > 1) throw new EmovaException($"{name}: runs in one process; start it without mpirun");
            LibTorchLoader.EnsureLoadable();
            torch.set_num_threads(threads);
            return run(new Values(parsed.GetValue(arguments._config), parsed.GetValue(arguments._data)!, parsed.GetValue(arguments._runs)!, threads, parsed.GetValue(arguments._set) ?? []));
        });
        return command;
    }
}
