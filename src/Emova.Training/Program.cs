using System.CommandLine;
using Emova;
using Emova.Training.Commands;
using Emova.Training.Distributed;

// One command per stage; each lives in Commands/ and adds itself here.
RootCommand root = new("Trains EMOVA-Tiny from nothing: data, speech, vision, language, and the three stages of the paper.")
{
    DataCommand.Create(),
    ScenesCommand.Create(),
    GlyphsCommand.Create(),
    SpeechEncoderCommand.Create(),
    EncodeCommand.Create(),
    SpeechDecoderCommand.Create(),
    SpeechDurationCommand.Create(),
    VisionCommand.Create(),
};
foreach (Command stage in LanguageCommands.Create()) root.Add(stage);
root.Add(UnitsCommand.Create());
root.Add(ReportCommand.Create());
root.Add(ExportCommand.Create());
root.Add(MergeCommand.Create());
root.Add(PlanCommand.Create());
root.Add(BenchCommand.Create());
root.Add(AllCommand.Create());
root.Add(ExperimentCommand.Create());
root.Add(LaunchCommand.Create());
root.Add(CheckClusterCommand.Create());
root.Add(VoiceCommand.Create());
root.Add(SpeechVitsCommand.Create());
root.Add(StylesCommand.Create());

try
{
    int code = root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    ProcessGroup.World.Dispose();
    return code;
}
catch (Exception error) when (error is EmovaException or IOException or InvalidDataException or UnauthorizedAccessException)
{
    // All processes of a group mostly meet the same error: the first one tells it and ends them all.
    if (!ProcessGroup.World.IsFirst) Thread.Sleep(TimeSpan.FromSeconds(2));
    Console.Error.WriteLine(ProcessGroup.World.IsFirst ? error.Message : $"process {ProcessGroup.World.Rank}: {error.Message}");
    ProcessGroup.World.Abort(2);
    return 2;
}
