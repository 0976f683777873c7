using System.CommandLine;
using Emova.Training.Stages.Language;

namespace Emova.Training.Commands;

/// <summary>`emova-train language`, `pretrain`, `align` and `finetune`: one stage each, told apart by their configuration.</summary>
public static class LanguageCommands
{
    public static IEnumerable<Command> Create() =>
    [
        Stage("language", "Trains the language model on text from random weights.", "language.yaml"),
        Stage("pretrain", "Stage 1: trains the projector on captions, everything else frozen.", "1-pretrain.yaml"),
        Stage("align", "Stage 2: trains pictures, speech to text and text to speech together.", "2-align.yaml"),
        Stage("finetune", "Stage 3: trains spoken dialogue with emotion and pitch.", "3-finetune.yaml"),
    ];

    private static Command Stage(string name, string description, string file) => StageArguments.Create(
        name, description, $"configs/training/{file}",
        arguments => LanguageStage.Run(name, arguments.Settings<LanguageSettings>(), arguments.Data, arguments.Runs, Console.Out) ? 0 : 1);
}
