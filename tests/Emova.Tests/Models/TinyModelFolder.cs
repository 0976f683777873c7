using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Emova.Checkpoints;

namespace Emova.Tests.Models;

/// <summary>A real model folder made from the end-to-end golden case: its weights and a config.json with its dimensions.</summary>
internal sealed class TinyModelFolder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public TinyModelFolder(FixtureCase fixture, bool originFormat = false)
    {
        JsonObject language = Section(fixture, "language_model"), vision = Section(fixture, "vision");
        foreach (var (key, value) in Section(fixture, "mm_vision_tower"))
            vision[key] = value!.DeepClone();
        string type = ((string?)language["model_type"] ?? "qwen2").Replace("emova_", "", StringComparison.Ordinal);
        language["model_type"] = originFormat ? "emova_" + type.Replace("deepseek_v2", "deepseekv2", StringComparison.Ordinal) : type;
        JsonObject config = originFormat ? language : new JsonObject { ["text_config"] = language };
        config[originFormat ? "mm_vision_tower" : "vision_config"] = vision;
        config[originFormat ? "mm_projector" : "mm_projector_config"] = Section(fixture, "mm_projector");
        Config = config;
        WriteConfig();
        File.Copy(fixture.PathOf("weights.safetensors"), this["model.safetensors"]);
    }

    public JsonObject Config { get; }

    public string Folder => folder.Folder;

    public string this[string file] => folder[file];

    public void WriteConfig() => File.WriteAllText(this["config.json"], Config.ToJsonString());

    /// <summary>Adds a part with the weights and dimensions of another golden case.</summary>
    public void AddPart(string section, JsonObject dimensions, string prefix, SafetensorsFile weights)
    {
        Config[section] = dimensions;
        WriteConfig();
        List<TensorData> tensors = [];
        using (SafetensorsFile present = SafetensorsFile.Open(this["model.safetensors"]))
        {
            tensors.AddRange(Copy(present, ""));
            tensors.AddRange(Copy(weights, prefix));
        }

        SafetensorsWriter.Write(this["model.safetensors"], tensors);
    }

    /// <summary>Gives all tensors other names.</summary>
    public void Rename(Func<string, string> rename) => Rewrite((tensor, file) => new TensorData(rename(tensor.Name), tensor.DType, [.. tensor.Shape], file.ReadBytes(tensor.Name)));

    /// <summary>Stores all tensors in another type.</summary>
    public void Store(DType type) => Rewrite((tensor, file) =>
    {
        float[] values = file.ReadFloat32(tensor.Name);
        long[] shape = [.. tensor.Shape];
        return type switch
        {
            DType.BF16 => TensorData.BF16(tensor.Name, shape, values),
            DType.F16 => new TensorData(tensor.Name, DType.F16, shape, MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (Half)value).AsSpan()).ToArray()),
            _ => TensorData.F32(tensor.Name, shape, values),
        };
    });

    /// <summary>Replaces the weight file by two shards with an index.</summary>
    public void Shard()
    {
        JsonObject map = [];
        using (SafetensorsFile whole = SafetensorsFile.Open(this["model.safetensors"]))
        {
            foreach ((int i, TensorInfo[] tensors) in whole.Tensors.Values.Chunk(whole.Tensors.Count / 2 + 1).Index())
            {
                string name = $"model-{i + 1}-of-2.safetensors";
                SafetensorsWriter.Write(this[name], tensors.Select(t => new TensorData(t.Name, t.DType, [.. t.Shape], whole.ReadBytes(t.Name))));
                foreach (TensorInfo tensor in tensors)
                    map[tensor.Name] = name;
            }
        }

        File.Delete(this["model.safetensors"]);
        WriteIndex(map);
    }

    private void Rewrite(Func<TensorInfo, SafetensorsFile, TensorData> change)
    {
        List<TensorData> tensors = [];
        using (SafetensorsFile file = SafetensorsFile.Open(this["model.safetensors"]))
            tensors.AddRange(file.Tensors.Values.Select(tensor => change(tensor, file)));
        SafetensorsWriter.Write(this["model.safetensors"], tensors);
    }

    public void WriteIndex(JsonObject map) =>
        File.WriteAllText(this["model.safetensors.index.json"], new JsonObject { ["weight_map"] = map }.ToJsonString());

    public void Dispose() => folder.Dispose();

    /// <summary>A section of a golden case's configuration, as a new object.</summary>
    public static JsonObject Section(FixtureCase fixture, string name) => JsonNode.Parse(fixture.Config.GetProperty(name).GetRawText())!.AsObject();

    private static IEnumerable<TensorData> Copy(SafetensorsFile file, string prefix) =>
        file.Tensors.Values.Select(t => new TensorData(prefix + t.Name, t.DType, [.. t.Shape], file.ReadBytes(t.Name)));
}
