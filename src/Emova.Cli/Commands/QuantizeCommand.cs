using System.CommandLine;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Numerics;

namespace Emova.Cli.Commands;

/// <summary><c>emova quantize</c>: a model folder with weights of 4 or 8 bits.</summary>
internal static class QuantizeCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        Argument<string> source = new("MODEL") { Description = "Model folder with floating-point weights." };
        Argument<string> target = new("OUT") { Description = "Folder to write; must not exist or be empty." };
        Option<int> bits = new("--bits") { Description = "4 (4.5 bits per value with its scales) or 8 (8.5).", HelpName = "N", DefaultValueFactory = _ => 4 };
        Option<int> embeddings = new("--embeddings") { Description = "Bits of the embedding table and output head: 4, 8, or 16 to leave them as they are.", HelpName = "N", DefaultValueFactory = _ => 8 };
        Option<string?> include = new("--include") { Description = "Also round these parts: vision,speech. They stay as they are otherwise.", HelpName = "PARTS" };
        ExampleCommand command = new(
            "quantize", "Write a model folder with weights of 4 or 8 bits, and tell what that changed.",
            "emova quantize models/emova-tiny out/emova-tiny-int4", "emova quantize models/emova-tiny out/emova-tiny-int8 --bits 8 --include vision,speech",
            "emova eval agreement --model out/emova-tiny-int4 --reference models/emova-tiny")
        { source, target, bits, embeddings, include };
        command.Options.Add(common.Json);
        command.Options.Add(common.Threads);
        command.SetAction((parsed, cancellation) =>
        {
            common.ApplyThreads(parsed);
            QuantizationOptions options = Options(parsed.GetValue(bits), parsed.GetValue(embeddings), parsed.GetValue(include), allowsStored: false);
            string output = parsed.GetValue(target)!;
            using ModelFolder folder = ModelFolder.Open(parsed.GetValue(source)!);
            int total = folder.OpenWeights().Sum(file => file.Tensors.Count), done = 0;
            IReadOnlyList<QuantizedTensor> report = ModelQuantizer.Write(folder, output, options, tensor =>
            {
                if (++done * 10 / total != (done - 1) * 10 / total)
                    Terminal.Note($"{done} of {total} tensors");
            }, cancellation);
            Write(report, output, common.IsJson(parsed));
            return Task.FromResult(Application.Success);
        });
        return command;
    }

    /// <summary>Checks the options that quantize and bench share.</summary>
    public static QuantizationOptions Options(int bits, int embeddings, string? include, bool allowsStored)
    {
        (bool vision, bool speech) = Parts(include);
        return new QuantizationOptions
        {
            Format = Bits("--bits", bits, allowsStored), Embeddings = Bits("--embeddings", embeddings, allowsStored: true), IncludesVision = vision, IncludesSpeech = speech,
        };
    }

    private static void Write(IReadOnlyList<QuantizedTensor> report, string output, bool isJson)
    {
        long before = report.Sum(tensor => tensor.BytesBefore), after = report.Sum(tensor => tensor.BytesAfter);
        if (isJson)
        {
            Terminal.WriteJson(new
            {
                folder = output, bytesBefore = before, bytesAfter = after,
                tensors = report.Select(tensor => new
                {
                    tensor.Name, tensor.Part, tensor.From, tensor.To, tensor.BytesBefore, tensor.BytesAfter,
                    relativeError = tensor.Error.Relative, largestError = tensor.Error.Largest,
                }),
            });
            return;
        }

        Terminal.WriteRows(
            ["tensor", "from", "to", "relative error", "largest error"],
            [.. report.Where(tensor => tensor.IsQuantized).Select(tensor => new[]
            {
                tensor.Name, tensor.From, tensor.To, $"{100 * tensor.Error.Relative:0.00} %", $"{tensor.Error.Largest:0.0000}",
            })]);
        RoundingError all = default;
        foreach (QuantizedTensor tensor in report)
            all.Add(tensor.Error);
        Terminal.WritePairs(output,
        [
            ("quantized", $"{report.Count(tensor => tensor.IsQuantized)} of {report.Count} tensors"), ("relative error", $"{100 * all.Relative:0.00} % over all of them"),
            ("size", $"{before / 1048576.0:0.0} MiB -> {after / 1048576.0:0.0} MiB"),
        ]);
    }

    private static WeightFormat Bits(string option, int bits, bool allowsStored) => bits switch
    {
        4 => WeightFormat.Int4,
        8 => WeightFormat.Int8,
        16 when allowsStored => WeightFormat.BFloat16,
        _ => throw new EmovaException($"{option} is {bits}, allowed are {(allowsStored ? "4, 8 and 16" : "4 and 8")}"),
    };

    private static (bool Vision, bool Speech) Parts(string? list)
    {
        string[] names = list?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        return names.FirstOrDefault(name => name is not ("vision" or "speech")) is { } unknown
            ? throw new EmovaException($"--include {unknown}: is no part, allowed are vision and speech")
            : (names.Contains("vision"), names.Contains("speech"));
    }
}
