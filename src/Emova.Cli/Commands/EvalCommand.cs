using System.CommandLine;
using Emova.Evaluation.Reports;
using Emova.Evaluation.Tiny;

namespace Emova.Cli.Commands;

/// <summary><c>emova eval tiny</c>: every figure the shipped model is judged by.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        TinyOptions defaults = new();
        Argument<string> suite = new("SUITE") { Description = "tiny" };
        Option<string> data = new("--data") { Description = "Corpus written by emova-train data.", HelpName = "DIR", DefaultValueFactory = _ => defaults.Data };
        Option<string?> only = new("--only") { Description = $"Parts to run, separated by commas: {string.Join(",", TinySuite.PartNames)}.", HelpName = "PARTS" };
        Option<int> limit = new("--limit") { Description = "At most N test items per figure.", HelpName = "N", DefaultValueFactory = _ => defaults.Limit };
        Option<int> sampled = new("--sampled") { Description = "Sampled replies that must parse.", HelpName = "N", DefaultValueFactory = _ => defaults.SampledReplies };
        Option<string> output = new("--out", "-o") { Description = "Folder for evaluation.json and evaluation.md.", HelpName = "DIR", DefaultValueFactory = _ => Path.Combine("out", "eval") };
        Option<string?> into = new("--into") { Description = "Document to put the table into, between its markers.", HelpName = "FILE" };
        ExampleCommand command = new(
            "eval", "Measure the model on test data it was never trained on.",
            "emova eval tiny", "emova eval tiny --only pictures,spoken --limit 50 --json", "emova eval tiny --into README.md")
        { suite, data, only, limit, sampled, output, into };
        common.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(suite) is not "tiny")
                throw new EmovaException($"SUITE '{parsed.GetValue(suite)}' is unknown: expected tiny");
            ulong seed = parsed.GetValue(common.Seed);
            TinyOptions options = (defaults with
            {
                Data = parsed.GetValue(data)!,
                Only = parsed.GetValue(only)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Limit = parsed.GetValue(limit),
                SampledReplies = parsed.GetValue(sampled),
                Seed = seed == 0 ? defaults.Seed : seed <= int.MaxValue ? (int)seed : throw new EmovaException($"--seed is {seed}, eval allows 1 to {int.MaxValue}"),
                Threads = parsed.GetValue(common.Threads) ?? defaults.Threads,
                Command = string.Join(' ', ["emova", .. parsed.Tokens.Select(token => token.Value)]),
            }).Validate();
            string? document = parsed.GetValue(into);
            if (document is not null)
                ReportFiles.RequireMarkers(document);
            AssistantModel model = new(common.Load(parsed));
            string last = "";
            Report report = await TinySuite.RunAsync(
                model, options, progress =>
                {
                    // One line per step, and every tenth of a long one.
                    string line = $"{progress.Part}: {progress.Step} {(progress.Total == 0 ? 100 : 10 * (10 * progress.Done / progress.Total))} %";
                    if (Interlocked.Exchange(ref last, line) != line)
                        Terminal.Note(line);
                }, cancellation).ConfigureAwait(false);

            ReportFiles.Write(report, parsed.GetValue(output)!);
            if (document is not null)
                ReportFiles.InsertTable(report, document);
            Console.Out.Write(common.IsJson(parsed) ? report.ToJson() : ReportWriter.ToPlainText(report));
            return Application.Success;
        });
        return command;
    }
}
