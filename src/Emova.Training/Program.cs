using System.CommandLine;
using Emova;
using Emova.Training.Commands;

// One command per stage; each lives in Commands/ and adds itself here.
RootCommand root = new("Trains EMOVA-Tiny from nothing: data, speech, vision, language, and the three stages of the paper.")
{
    DataCommand.Create(),
    ScenesCommand.Create(),
    SpeechEncoderCommand.Create(),
    EncodeCommand.Create(),
    SpeechDecoderCommand.Create(),
    SpeechDurationCommand.Create(),
    VisionCommand.Create(),
};
foreach (Command stage in LanguageCommands.Create()) root.Add(stage);
root.Add(ExportCommand.Create());
root.Add(AllCommand.Create());

try
{
    return root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (EmovaException error)
{
    Console.Error.WriteLine(error.Message);
    return 2;
}
