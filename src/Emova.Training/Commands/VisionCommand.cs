using System.CommandLine;
using Emova.Training.Stages.Vision;

namespace Emova.Training.Commands;

/// <summary>`emova-train vision`</summary>
public static class VisionCommand
{
    public static Command Create() => StageArguments.Create(
        VisionStage.Name,
        "Pretrains the vision encoder on drawn scenes with dense supervision.",
        "configs/training/vision.yaml",
        arguments => VisionStage.Run(arguments.Settings<VisionSettings>(), arguments.Data, arguments.Runs, Console.Out) ? 0 : 1);
}
