using System.CommandLine;
using Emova.Training.Distributed;

namespace Emova.Training.Commands;

/// <summary>`emova-train launch`: a stage as several processes that train together, restarted when one of them dies.</summary>
internal static class LaunchCommand
{
    public static Command Create()
    {
        Option<int> ranks = new("--ranks") { Description = "Number of processes, 1 to 4096.", DefaultValueFactory = _ => 2 };
        Option<int> minimum = new("--min-ranks") { Description = "Give up with fewer processes than this, 1 to --ranks.", DefaultValueFactory = _ => 1 };
        Option<int> restarts = new("--restarts") { Description = "How often to start again after a process died, 0 to 1000.", DefaultValueFactory = _ => 5 };
        Option<string?> hosts = new("--hostfile") { Description = "Machines, one a line (`node1 slots=8`); default: this machine." };
        Argument<string[]> stage = new("stage") { Description = "The stage and its options, after `--`.", Arity = ArgumentArity.OneOrMore };
        Command command = new(
            "launch",
            "Train a stage in several processes with Open MPI, and go on from the last checkpoint when one dies. Example: launch --ranks 2 -- align --set accumulate=2")
        {
            ranks, minimum, restarts, hosts, stage,
        };
        command.SetAction(parsed => new Launcher(Console.Out)
        {
            Ranks = parsed.GetValue(ranks), MinimumRanks = parsed.GetValue(minimum), Restarts = parsed.GetValue(restarts), HostFile = parsed.GetValue(hosts),
        }.Run(OwnProgram.Words(parsed.GetValue(stage)!)));
        return command;
    }
}
