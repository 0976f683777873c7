using System.CommandLine;
using Emova.Training.Stages;

namespace Emova.Training.Commands;

internal static class SpeechDecoderCommand
{
    public static Command Create() => StageArguments.Create(
        SpeechDecoderStage.Name, "Train the unit-to-speech decoder (24 styles).", "configs/training/speech-decoder.yaml", arguments =>
        {
            using SpeechDecoderStage stage = new(arguments.Settings<SpeechDecoderSettings>(), arguments.Data, arguments.Runs);
            return stage.Run() ? 0 : 1;
        });
}
