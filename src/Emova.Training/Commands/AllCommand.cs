using System.CommandLine;
using System.Diagnostics;
using Emova.Training.Distributed;

namespace Emova.Training.Commands;

/// <summary>
/// `emova-train all`: every stage from nothing, in order. Each stage is a process of its own, because the tensor library does
/// not give memory back; a stage that is complete starts, sees that and ends, so an interrupted run is simply repeated.
/// </summary>
internal static class AllCommand
{
    private static readonly (string Command, string? Config)[] Stages =
    [
        ("glyphs", null), ("data", null),
        ("speech-encoder", "speech-encoder-1.yaml"), ("speech-encoder", "speech-encoder-2.yaml"), ("speech-encoder", "speech-encoder-3.yaml"), ("encode", "speech-encoder-3.yaml"),
        ("speech-decoder", "speech-decoder-1.yaml"), ("speech-decoder", null), ("speech-duration", null), ("vision", "vision-1.yaml"), ("vision", "vision-2.yaml"),
        ("language", null), ("pretrain", "1-pretrain-1.yaml"), ("align", "2-align-1.yaml"), ("finetune", "3-finetune-1.yaml"),
        ("pretrain", null), ("align", "2-align-2.yaml"), ("finetune", "3-finetune-2.yaml"),
        ("vision", null), ("speech-encoder", null), ("encode", null), ("align", null), ("finetune", null), ("export", null),
    ];

    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "Folder of the corpus.", DefaultValueFactory = _ => "data/tiny" };
        Option<string> runs = new("--runs") { Description = "Folder of the training runs.", DefaultValueFactory = _ => "runs/tiny" };
        Option<int> threads = new("--threads") { Description = "Threads for the tensor library, 1 to 64.", DefaultValueFactory = _ => 2 };
        Command command = new("all", "Run every stage in order.") { data, runs, threads };
        command.SetAction(parsed =>
        {
            if (MpiProcessGroup.IsLaunched) throw new EmovaException("all: starts processes itself; under mpirun start the stages one by one");
            foreach ((string stage, string? config) in Stages)
            {
                List<string> arguments = stage == "glyphs" ? [stage]
                    : stage == "data" ? [stage, "--out", parsed.GetValue(data)!]
                    : [stage, "--data", parsed.GetValue(data)!, "--runs", parsed.GetValue(runs)!, "--threads", $"{parsed.GetValue(threads)}"];
                if (config is not null) arguments.AddRange(["--config", Path.Combine("configs", "training", config)]);
                Console.WriteLine($"== emova-train {string.Join(' ', arguments)}");
                int code = Run(arguments);
                if (code != 0) return code;
            }
            return 0;
        });
        return command;
    }

    private static int Run(List<string> arguments)
    {
        using Process process = Process.Start(OwnProgram.With(arguments))!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
