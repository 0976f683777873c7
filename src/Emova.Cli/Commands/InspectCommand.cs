using System.CommandLine;
using Emova.Checkpoints;
using Emova.Models;

namespace Emova.Cli.Commands;

/// <summary><c>emova inspect</c>: what a model folder holds and needs, without loading it.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        CommonOptions common = new();
        Argument<string?> folder = new("DIR") { Description = "Model folder or pulled repository. Default: as --model.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> tensors = new("--tensors") { Description = "List every tensor." };
        Option<int?> context = new("--context") { Description = "Positions to plan the cache for. Default: the model's maximum.", HelpName = "N" };
        ExampleCommand command = new(
            "inspect", "Show parts, parameters and memory of a model folder, and whether its weights fit, before loading it.",
            "emova inspect models/emova-tiny", "emova inspect models/emova-tiny --tensors --json")
        { folder, tensors, context };
        common.AddTo(command);
        command.SetAction((parsed, _) =>
        {
            using ModelFolder opened = ModelFolder.Open(parsed.GetValue(folder) is { } given ? ModelLocator.Find(given) : common.ModelFolder(parsed));
            ModelInspection found = ModelInspector.Inspect(opened, parsed.GetValue(context));
            bool listed = parsed.GetValue(tensors);
            if (common.IsJson(parsed))
            {
                Terminal.WriteJson(new
                {
                    folder = opened.Path, parameters = found.Parameters, weightBytes = found.Plan.WeightBytes, cacheBytes = found.Plan.CacheBytes,
                    scratchBytes = found.Plan.ScratchBytes, totalBytes = found.Plan.TotalBytes, contextLength = found.ContextLength, parts = found.Parts,
                    differences = found.Differences,
                    tensors = listed ? found.Tensors.Select(tensor => new { tensor.Name, dtype = tensor.DType.ToString(), tensor.Shape }) : null,
                    wanted = listed ? found.Wanted.Select(tensor => new { tensor.Name, tensor.Shape }) : null,
                });
                return Task.FromResult(found.Differences is null ? Application.Success : Application.Failure);
            }

            Terminal.WriteRows(
                ["part", "tensors", "parameters", "file", "loaded"],
                [.. found.Parts.Select(part => new[] { part.Name, $"{part.Tensors}", $"{part.Parameters:N0}", Size(part.FileBytes), Size(part.LoadedBytes) })]);
            Terminal.WritePairs(opened.Path,
            [
                ("parameters", $"{found.Parameters:N0}"), ("weights in memory", Size(found.Plan.WeightBytes)),
                ("cache", $"{Size(found.Plan.CacheBytes)} for {found.ContextLength} positions"),
                ("scratch", $"{Size(found.Plan.ScratchBytes)} for the largest step"), ("total", Size(found.Plan.TotalBytes)),
                ("weights", found.Tensors.Count == 0 ? "no files here; the figures are what the configuration asks for" : found.Differences ?? "fit the configuration"),
            ]);
            if (listed)
            {
                Terminal.WriteRows(["tensor", "type", "shape"], found.Tensors.Count > 0
                    ? [.. found.Tensors.Select(tensor => new[] { tensor.Name, $"{tensor.DType}", tensor.ShapeText })]
                    : [.. found.Wanted.Select(tensor => new[] { tensor.Name, "", $"[{string.Join(", ", tensor.Shape)}]" })]);
            }

            return Task.FromResult(found.Differences is null ? Application.Success : Application.Failure);
        });
        return command;
    }

    private static string Size(long bytes) => bytes < 1 << 20 ? $"{bytes / 1024.0:0.0} KiB" : $"{bytes / 1048576.0:0.0} MiB";
}
