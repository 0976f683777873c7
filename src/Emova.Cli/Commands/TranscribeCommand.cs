using System.CommandLine;
using Emova.Media;

namespace Emova.Cli.Commands;

/// <summary><c>emova transcribe</c>: speech to text.</summary>
internal static class TranscribeCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        Argument<string[]> files = new("WAV") { Description = "Recordings (PCM or float WAV, any sample rate).", Arity = ArgumentArity.OneOrMore };
        ExampleCommand command = new(
            "transcribe", "Write down what is said in recordings.",
            "emova transcribe question.wav", "emova transcribe a.wav b.wav --json")
        { files };
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string[] paths = parsed.GetValue(files)!;
            AudioClip[] clips = [.. paths.Select(path => WavFile.Read(path))];
            Assistant assistant = common.Load(parsed);
            for (int i = 0; i < paths.Length; i++)
            {
                string text = InputFiles.Naming([paths[i]], () => assistant.Transcribe(clips[i], common.Conversation(parsed), cancellationToken: cancellation));
                if (common.IsJson(parsed))
                    Terminal.WriteJson(new { file = paths[i], text, seconds = clips[i].Duration.TotalSeconds });
                else
                    Console.Out.WriteLine(paths.Length == 1 ? text : $"{paths[i]}\t{text}");
            }

            return Task.FromResult(Application.Success);
        });
        return command;
    }
}
