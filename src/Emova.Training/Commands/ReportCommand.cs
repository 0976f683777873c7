using System.CommandLine;
using System.Text.Json;
using Emova.Media;
using Emova.Text;
using Emova.Training.Data;
using Emova.Training.DataSets;

namespace Emova.Training.Commands;

/// <summary><c>emova-train report</c>: what a data set holds and what is broken in it.</summary>
public static class ReportCommand
{
    private static readonly JsonSerializerOptions Indented = new(CorpusJson.Options) { WriteIndented = true };

    public static Command Create()
    {
        Argument<string> path = new("PATH") { Description = "File or folder of the data set." };
        Option<string> format = new("--format") { Description = $"Its format: {string.Join(", ", DataSetFormat.All)}.", DefaultValueFactory = _ => DataSetFormat.Auto };
        Option<string?> images = new("--images") { Description = "Folder of the pictures, where it is not the usual one." };
        Option<string> tokenizer = new("--tokenizer") { Description = "Folder or file of the tokenizer that counts tokens.", DefaultValueFactory = _ => "models/emova-tiny" };
        Option<string> template = new("--template") { Description = "Conversation template.", DefaultValueFactory = _ => "qwen2" };
        Option<int> maxLength = new("--max-length") { Description = "Longest sequence, 16 to 1048576.", DefaultValueFactory = _ => 8192 };
        Option<bool> json = new("--json") { Description = "Write JSON with every broken item." };
        Command command = new(
            "report", "Say what a data set holds: lengths, languages, styles, tokens, and broken items. Example: emova-train report data/llava/train.json --images data/llava/images")
        { path, format, images, tokenizer, template, maxLength, json };
        command.SetAction((parsed, cancellation) =>
        {
            int length = parsed.GetValue(maxLength);
            if (length is < 16 or > 1 << 20)
                throw new EmovaException($"--max-length {length}: expected 16 to 1048576");
            string model = parsed.GetValue(tokenizer)!;
            ExampleEncoder encoder = new(
                HuggingFaceTokenizer.Load(Directory.Exists(model) ? Path.Combine(model, "tokenizer.json") : model),
                ConversationTemplate.Get(parsed.GetValue(template)!), new Qwen2ImageProcessor(), length);
            int shown = 0;
            DataSetReport report = DataSetReport.Create(parsed.GetValue(path)!, parsed.GetValue(format)!, parsed.GetValue(images), encoder, count =>
            {
                // Progress is for a person; JSON on the same terminal would be spoiled by it.
                if (count >= shown + 1000)
                    Console.Error.WriteLine($"{shown = count} items read");
            }, cancellation);
            Console.WriteLine(parsed.GetValue(json)
                ? JsonSerializer.Serialize(report, Indented)
                : report.ToTable());
            return Task.FromResult(cancellation.IsCancellationRequested ? 1 : 0);
        });
        return command;
    }
}
