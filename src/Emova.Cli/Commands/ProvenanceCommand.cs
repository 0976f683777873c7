using System.CommandLine;
using System.Globalization;
using Emova.Media;

namespace Emova.Cli.Commands;

/// <summary><c>emova provenance</c>: whether a recording carries the mark of a server with <c>Engine:MarkSpeech</c>.</summary>
internal static class ProvenanceCommand
{
    public static Command Create()
    {
        Argument<string> file = new("file") { Description = "The recording (WAV).", HelpName = "WAV" };
        ExampleCommand command = new(
            "provenance", "Tell whether a recording carries the mark of generated speech (exit code 0: yes, 1: no).", "emova provenance answer.wav")
        { file };
        command.SetAction(parsed =>
        {
            AudioClip clip = WavFile.Read(parsed.GetValue(file)!);
            double score = ProvenanceMark.Score(clip);
            bool marked = score >= ProvenanceMark.Threshold;
            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{(marked ? "marked" : "not marked")}: score {score:0.0}, {ProvenanceMark.Threshold:0.0} or more is a mark, {clip.Duration.TotalSeconds:0.0} s"));
            return marked ? Application.Success : Application.Failure;
        });
        return command;
    }
}
