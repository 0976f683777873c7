using System.CommandLine;
using Emova.Training.Stages;

namespace Emova.Training.Commands;

internal static class EncodeCommand
{
    public static Command Create() => StageArguments.Create(
        "encode", "Turn the corpus into speech units with the trained encoder.", "configs/training/speech-encoder.yaml", arguments =>
        {
            SpeechEncoding.Run(arguments.Settings<SpeechEncoderSettings>(), arguments.Data, arguments.Runs);
            return 0;
        },
        trains: false);
}
