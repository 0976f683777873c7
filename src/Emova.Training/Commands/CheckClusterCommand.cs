using System.CommandLine;
using Emova.Training.Distributed;
using Emova.Training.Infrastructure;
using Emova.Training.Runtime;
using TorchSharp;

namespace Emova.Training.Commands;

/// <summary>`emova-train check-cluster`: whether the processes it is started as can train together.</summary>
internal static class CheckClusterCommand
{
    public static Command Create()
    {
        Option<string> runs = new("--runs") { Description = "Folder of the training runs, seen by all machines.", DefaultValueFactory = _ => "runs" };
        Option<int> batches = new("--batches") { Description = "Batches per update, shared out to the processes; default: one each.", DefaultValueFactory = _ => 0 };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 1 };
        Option<string[]> set = new("--set") { Description = "Override a setting: key=value.", DefaultValueFactory = _ => [] };
        Command command = new(
            "check-cluster",
            "Train a small network on all processes: who takes part, how fast they exchange data, and a checksum that is the same in every run. Example: launch --ranks 2 -- check-cluster")
        {
            runs, batches, threads, set,
        };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(threads) is < 1 or > 64) throw new EmovaException($"--threads {parsed.GetValue(threads)}: expected 1 to 64");
            ProcessGroup.Join();
            ClusterCheckSettings settings = StageConfig.Load<ClusterCheckSettings>(null, parsed.GetValue(set));
            settings.Accumulate = Math.Max(parsed.GetValue(batches), settings.Accumulate);
            if (parsed.GetValue(batches) == 0) settings.Accumulate = Math.Max(settings.Accumulate, ProcessGroup.World.Size);
            LibTorchLoader.EnsureLoadable();
            torch.set_num_threads(parsed.GetValue(threads));
            return ClusterCheck.Run(settings, parsed.GetValue(runs)!, ProcessGroup.World, Console.Out) ? 0 : 1;
        });
        return command;
    }
}
