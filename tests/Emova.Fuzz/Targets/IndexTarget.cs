using Emova.Checkpoints;

namespace Emova.Fuzz.Targets;

/// <summary>model.safetensors.index.json beside two valid shards.</summary>
public sealed class IndexTarget : IFuzzTarget
{
    public static string Name => "index";

    public static IReadOnlyList<byte[]> Seeds() =>
    [
        """{"metadata": {"total_size": 12}, "weight_map": {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"}}"""u8.ToArray(),
        """{"weight_map": {"a.weight": "model-00001-of-00002.safetensors"}}"""u8.ToArray(),
    ];

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using TemporaryModel model = new(data, "model.safetensors.index.json");
        File.WriteAllText(model["config.json"], "{}");
        SafetensorsWriter.Write(model["model-00001-of-00002.safetensors"], [TensorData.F32("a.weight", [1], [1])]);
        SafetensorsWriter.Write(model["model-00002-of-00002.safetensors"], [TensorData.F32("b.weight", [2], [1, 2])]);
        using ModelFolder folder = ModelFolder.Open(model.Folder);
        IReadOnlyList<SafetensorsFile> shards = folder.OpenWeights();
        _ = CheckpointNames.Detect(shards.SelectMany(shard => shard.Tensors.Keys)).ToOrigin("a.weight");
    }
}
