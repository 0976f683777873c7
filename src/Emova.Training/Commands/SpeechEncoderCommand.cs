using System.CommandLine;
using Emova.Training.Stages;

namespace Emova.Training.Commands;

internal static class SpeechEncoderCommand
{
    public static Command Create() => StageArguments.Create(
        SpeechEncoderStage.Name, "Train the speech-to-unit encoder (CTC on phones).", "configs/training/speech-encoder.yaml", arguments =>
        {
            using SpeechEncoderStage stage = new(arguments.Settings<SpeechEncoderSettings>(), arguments.Data, arguments.Runs);
            return stage.Run() ? 0 : 1;
        });
}
