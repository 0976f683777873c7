using Emova.Checkpoints;
using Emova.Models.Language;

namespace Emova.Models;

/// <summary>Makes an adapter part of a model: a model folder whose weights are those of the model as the adapter changes it.</summary>
public static class AdapterMerger
{
    private const string WeightsFile = "model.safetensors";

    /// <summary>Writes the merged folder.</summary>
    /// <param name="model">Model folder with weights in one file that are not quantized.</param>
    /// <param name="adapter">Adapter folder.</param>
    /// <param name="output">Folder to write; not the model's.</param>
    /// <returns>Number of layers changed.</returns>
    /// <exception cref="EmovaException">A folder cannot be read or written, or the adapter does not fit the model.</exception>
    public static int Merge(string model, string adapter, string output)
    {
        if (Path.GetFullPath(model) == Path.GetFullPath(output))
            throw new EmovaException($"{output}: is the model's own folder; write to another one");
        AdapterFile changes = AdapterFile.Open(adapter);
        using ModelFolder folder = ModelFolder.Open(model);
        if (folder.OpenWeights() is not [SafetensorsFile weights])
            throw new EmovaException($"{model}: weights in several files cannot be merged yet; use --adapter beside the model");
        CheckpointNames names = CheckpointNames.Detect(weights.Tensors.Keys);
        Dictionary<string, AdapterLayer> wanted = changes.Layers.ToDictionary(layer => names.ToStored($"model.layers.{layer.Index}.{layer.Name}.weight"));
        foreach ((string name, AdapterLayer layer) in wanted)
        {
            if (!weights.Tensors.TryGetValue(name, out TensorInfo? info))
                throw new EmovaException($"{adapter}: changes {name}, which {weights.Path} does not have");
            if (info.DType is not (DType.F32 or DType.F16 or DType.BF16) || !info.Shape.SequenceEqual([layer.Outputs, layer.Inputs]))
                throw new EmovaException($"{adapter}: {name} is {info.DType} {info.ShapeText} in {weights.Path}, expected numbers [{layer.Outputs}, {layer.Inputs}]");
        }

        Directory.CreateDirectory(output);
        foreach (string file in Directory.EnumerateFiles(model).Where(file => Path.GetFileName(file) != WeightsFile))
            File.Copy(file, Path.Combine(output, Path.GetFileName(file)), overwrite: true);
        SafetensorsWriter.Write(
            Path.Combine(output, WeightsFile), weights.Tensors.Values.Select(info => wanted.TryGetValue(info.Name, out AdapterLayer? layer)
                ? Merged(weights, info, layer, changes)
                : new TensorData(info.Name, info.DType, [.. info.Shape], weights.ReadBytes(info.Name))), weights.Metadata);
        return wanted.Count;
    }

    private static TensorData Merged(SafetensorsFile weights, TensorInfo info, AdapterLayer layer, AdapterFile changes)
    {
        float[] values = weights.ReadFloat32(info.Name);
        int rank = changes.Rank;
        Parallel.For(0, layer.Outputs, o => LowRankUpdate.Merge(
            values.AsSpan(o * layer.Inputs, layer.Inputs), layer.Down, layer.Up.AsSpan(o * rank, rank), changes.Scaling, layer.Magnitudes?[o]));
        return info.DType == DType.BF16 ? TensorData.BF16(info.Name, [.. info.Shape], values) : TensorData.F32(info.Name, [.. info.Shape], values);
    }
}
