using System.CommandLine;
using Emova.Training.Stages;

namespace Emova.Training.Commands;

internal static class SpeechDurationCommand
{
    public static Command Create() => StageArguments.Create(
        SpeechDurationStage.Name, "Train the run lengths of the speech decoder in all styles.", "configs/training/speech-duration.yaml", arguments =>
        {
            using SpeechDurationStage stage = new(arguments.Settings<SpeechDurationSettings>(), arguments.Data, arguments.Runs);
            return stage.Run() ? 0 : 1;
        });
}
