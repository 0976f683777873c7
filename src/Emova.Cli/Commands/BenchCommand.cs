using System.CommandLine;
using System.Text.Json;
using Emova.Checkpoints;
using Emova.Cli.Bench;
using Emova.Models;

namespace Emova.Cli.Commands;

/// <summary><c>emova bench</c>: speed and memory of every part of a model, against the limits of the machine.</summary>
internal static class BenchCommand
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create()
    {
        CommonOptions common = new();
        Option<string?> config = new("--config") { Description = "A configuration instead of a model: emova-3b, emova-7b, or a file as in configs/models. Needs --random.", HelpName = "NAME" };
        Option<bool> random = new("--random") { Description = "Fill the configuration with random weights, directly in their packed form." };
        Option<int> bits = new("--bits") { Description = "Bits of the language model's random weights: 4, 8 or 16.", HelpName = "N", DefaultValueFactory = _ => 4 };
        Option<int> embeddings = new("--embeddings") { Description = "Bits of the random embedding table and output head: 4, 8 or 16.", HelpName = "N", DefaultValueFactory = _ => 8 };
        Option<string?> include = new("--include") { Description = "Also quantize these parts of a random model: vision,speech.", HelpName = "PARTS" };
        Option<int> context = new("--context") { Description = "Positions of the cache.", HelpName = "N", DefaultValueFactory = _ => new BenchOptions().ContextLength };
        Option<string?> output = new("--out", "-o") { Description = "Also write the figures to a file, for --compare.", HelpName = "FILE" };
        Option<string?> compare = new("--compare") { Description = "Figures of an earlier run, written with --out: show how often as good each one is now.", HelpName = "FILE" };
        ExampleCommand command = new(
            "bench", "Time a spoken question about a picture through every part of a model, against the limits of this machine.",
            "emova bench", "emova bench --config emova-3b --random --bits 4", "emova bench --out before.json", "emova bench --compare before.json")
        { config, random, bits, embeddings, include, context, output, compare };
        common.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            common.ApplyThreads(parsed);
            int positions = parsed.GetValue(context);
            if (positions is < 64 or > 1 << 20)
                throw new EmovaException($"--context is {positions}, allowed is 64 to {1 << 20}");
            BenchReport? earlier = parsed.GetValue(compare) is { } file ? Read(file) : null;
            ulong seed = parsed.GetValue(common.Seed);
            BenchOptions options = new()
            {
                ContextLength = positions, Seed = seed == 0 ? 1 : seed,
                Quantization = QuantizeCommand.Options(parsed.GetValue(bits), parsed.GetValue(embeddings), parsed.GetValue(include), allowsStored: true),
            };
            string line = string.Join(' ', ["emova", .. parsed.Tokens.Select(token => token.Value)]);
            BenchRun run = new(options, Terminal.Note, cancellation);
            BenchReport report;
            if (parsed.GetValue(config) is { } name)
            {
                if (!parsed.GetValue(random))
                    throw new EmovaException("--config needs --random: a configuration has no weights of its own");
                string path = FindConfig(name);
                report = run.RunRandom(ModelFolder.ReadConfig(path), name, line);
            }
            else
            {
                report = run.RunFolder(common.ModelFolder(parsed), line);
            }

            if (parsed.GetValue(output) is { } target)
                Write(target, report);
            if (common.IsJson(parsed))
                Terminal.WriteJson(report);
            else
                Show(report, earlier);
            return Task.FromResult(Application.Success);
        });
        return command;
    }

    private static void Show(BenchReport report, BenchReport? earlier)
    {
        string[] headings = earlier is null ? ["figure", "value", "of the limit", ""] : ["figure", "value", "of the limit", "before", "now / before", ""];
        Terminal.WriteRows(headings, [.. report.Figures.Select(figure =>
        {
            string value = Text(figure), limit = figure.Limit is { } share ? $"{100 * share:0} %" : "";
            if (earlier is null)
                return new[] { figure.Name, value, limit, figure.Note ?? "" };
            BenchFigure? before = earlier.Figures.FirstOrDefault(old => old.Name == figure.Name && old.Unit == figure.Unit);
            return [figure.Name, value, limit, before is null ? "" : Text(before), before is null or { Value: 0 } ? "" : $"{figure.Value / before.Value:0.00}", figure.Note ?? ""];
        })]);
        Terminal.Note($"{report.Model}, {report.Threads} threads, {report.Machine}");
    }

    private static string Text(BenchFigure figure) => figure.Unit switch
    {
        "x" => $"{figure.Value:0.000} x real time",
        "s" => $"{figure.Value:0.000} s",
        _ => $"{figure.Value:0.0} {figure.Unit}",
    };

    private static string FindConfig(string name)
    {
        if (File.Exists(name))
            return name;
        string folder = Path.Combine("configs", "models");
        string found = ModelLocator.FindUpwards(folder, candidate => File.Exists(Path.Combine(candidate, $"{name}.json")))
            ?? throw new EmovaException($"--config {name}: no such file, and {Path.Combine(folder, $"{name}.json")} was not found from here upwards");
        return Path.Combine(found, $"{name}.json");
    }

    private static BenchReport Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<BenchReport>(File.ReadAllText(path), Format) is { Figures: not null } report
                ? report : throw new EmovaException($"--compare {path}: holds no figures");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new EmovaException($"--compare {path}: cannot be read: {error.Message}", error);
        }
    }

    private static void Write(string path, BenchReport report)
    {
        try
        {
            File.WriteAllText(path, JsonSerializer.Serialize(report, Format) + "\n");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"--out {path}: cannot be written: {error.Message}", error);
        }
    }
}
