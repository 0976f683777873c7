using System.CommandLine;
using Emova.Training.Stages;

namespace Emova.Training.Commands;

internal static class ExportCommand
{
    public static Command Create() => StageArguments.Create(
        "export", "Assemble the model folder from the training runs.", "configs/training/export.yaml", arguments =>
        {
            foreach (string line in ModelExport.Run(arguments.Settings<ExportSettings>(), arguments.Runs)) Console.WriteLine(line);
            return 0;
        },
        trains: false);
}
