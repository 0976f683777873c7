using System.CommandLine;
using Emova.Training.Stages;

namespace Emova.Training.Commands;

internal static class SpeechVitsCommand
{
    public static Command Create() => StageArguments.Create(
        SpeechVitsStage.Name, "Train the published unit-to-speech decoder, VITS with a style encoder, against discriminators.", "configs/training/speech-vits.yaml", arguments =>
        {
            using SpeechVitsCorpus corpus = new(arguments.Settings<SpeechVitsSettings>(), arguments.Data, arguments.Runs);
            return corpus.Run(arguments.Runs) ? 0 : 1;
        });
}
