using System.CommandLine;
using Emova.Media;

namespace Emova.Cli.Commands;

/// <summary><c>emova describe</c>: what a picture shows.</summary>
internal static class DescribeCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        SamplingArguments sampling = new();
        Argument<string[]> files = new("IMAGE") { Description = "Pictures (PNG, JPEG, BMP, GIF).", Arity = ArgumentArity.OneOrMore };
        Option<string?> question = new("--question", "-q") { Description = $"What to ask. Default: {Assistant.DescribeQuestion}.", HelpName = "TEXT" };
        ExampleCommand command = new(
            "describe", "Say in text what pictures show, or answer a question about them.",
            "emova describe picture.png", "emova describe picture.png --question \"how many cats are there\"")
        { files, question };
        sampling.AddTo(command);
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string[] paths = parsed.GetValue(files)!;
            RgbImage[] images = [.. paths.Select(path => ImageFile.Load(path))];
            ConversationOptions options = sampling.Apply(parsed, common.Conversation(parsed));
            Assistant assistant = common.Load(parsed);
            for (int i = 0; i < paths.Length; i++)
            {
                Reply reply = InputFiles.Naming([paths[i]], () => assistant.Describe(images[i], parsed.GetValue(question), options, cancellation));
                if (common.IsJson(parsed))
                    Terminal.WriteJson(new { file = paths[i], text = reply.Text, timings = ReplyJson.Of(reply.Timings) });
                else
                    Console.Out.WriteLine(paths.Length == 1 ? reply.Text : $"{paths[i]}\t{reply.Text}");
            }

            return Task.FromResult(Application.Success);
        });
        return command;
    }
}
