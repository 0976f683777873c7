using System.Text.RegularExpressions;
using Emova.Checkpoints;

namespace Emova.Models.Language;

/// <summary>
/// A folder with an adapter in the format of Hugging Face PEFT: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> with the
/// tensors <c>base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight</c> (r, inputs), <c>lora_B.weight</c> (outputs, r) and, for
/// DoRA, <c>lora_magnitude_vector</c> (outputs).
/// </summary>
public sealed partial class AdapterFile
{
    /// <summary>The file with what the adapter is.</summary>
    public const string ConfigName = "adapter_config.json";

    /// <summary>The file with its tensors.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>What the names of all tensors begin with.</summary>
    public const string Prefix = "base_model.model.";

    private const int MaxRank = 1024;

    private AdapterFile(string path, ConfigSection config)
    {
        Path = path;
        string kind = config.Text("peft_type");
        if (kind != "LORA")
            throw new EmovaException($"{config.PathOf("peft_type")}: '{SafetensorsHeader.Shorten(kind)}' is not supported, only LORA is");
        foreach (string key in (string[])["rank_pattern", "alpha_pattern"])
        {
            if (config.Has(key) && config.Section(key).Json.EnumerateObject().Any())
                throw new EmovaException($"{config.PathOf(key)}: ranks that differ from layer to layer are not supported");
        }

        if (config.Text("bias", "none") != "none" || config.Flag("fan_in_fan_out", false))
            throw new EmovaException($"{config.PathOf("bias")}: only adapters without trained biases and with weights (outputs, inputs) are supported");
        Rank = config.WholeNumber("r", 1, MaxRank);
        double alpha = config.Number("lora_alpha", 0, 1e6);
        Scaling = (float)(alpha / (config.Flag("use_rslora", false) ? Math.Sqrt(Rank) : Rank));
        IsDora = config.Flag("use_dora", false);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>r, 1 to 1024.</summary>
    public int Rank { get; }

    /// <summary>s: alpha / r, or alpha / sqrt(r) where the adapter says so.</summary>
    public float Scaling { get; }

    /// <summary>Whether the lengths of the outputs are trained apart (DoRA).</summary>
    public bool IsDora { get; }

    /// <summary>The layers it changes, in the order of their names.</summary>
    public IReadOnlyList<AdapterLayer> Layers { get; private set; } = [];

    /// <summary>Reads an adapter.</summary>
    /// <exception cref="EmovaException">A file is missing or damaged, or the adapter is of a kind that is not supported.</exception>
    public static AdapterFile Open(string folder)
    {
        if (!Directory.Exists(folder))
            throw new EmovaException($"{folder}: no such adapter folder");
        string configPath = System.IO.Path.Combine(folder, ConfigName), weights = System.IO.Path.Combine(folder, WeightsName);
        if (!File.Exists(configPath))
            throw new EmovaException($"{folder}: the adapter folder has no {ConfigName}");
        if (!File.Exists(weights))
            throw new EmovaException($"{folder}: the adapter folder has no {WeightsName}");
        AdapterFile adapter = new(folder, ModelFolder.ReadConfig(configPath));
        using SafetensorsFile file = SafetensorsFile.Open(weights);
        adapter.Layers = adapter.Read(file);
        return adapter;
    }

    [GeneratedRegex(@"(?:^|\.)layers\.(\d{1,5})\.((?:self_attn|mlp)\.[a-z_]+)\.(lora_A\.weight|lora_B\.weight|lora_magnitude_vector(?:\.weight)?)$")]
    private static partial Regex LayerName();

    private List<AdapterLayer> Read(SafetensorsFile file)
    {
        SortedDictionary<(int Index, string Name), Dictionary<string, TensorInfo>> found = [];
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            Match match = LayerName().Match(tensor.Name);
            if (!match.Success)
                throw new EmovaException($"{file.Path}: '{SafetensorsHeader.Shorten(tensor.Name)}' is not an update of a layer of the language model");
            (int, string) key = (int.Parse(match.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture), match.Groups[2].Value);
            if (!found.TryGetValue(key, out Dictionary<string, TensorInfo>? parts))
                found[key] = parts = [];
            if (!parts.TryAdd(match.Groups[3].Value.Replace(".weight", "", StringComparison.Ordinal), tensor))
                throw new EmovaException($"{file.Path}: layer {key} is there twice");
        }

        if (found.Count == 0)
            throw new EmovaException($"{file.Path}: holds no updates");
        return [.. found.Select(pair => ReadLayer(file, pair.Key.Index, pair.Key.Name, pair.Value))];
    }

    private AdapterLayer ReadLayer(SafetensorsFile file, int index, string name, Dictionary<string, TensorInfo> parts)
    {
        string where = $"{file.Path}: layer {index} {name}";
        if (!parts.TryGetValue("lora_A", out TensorInfo? down) || !parts.TryGetValue("lora_B", out TensorInfo? up))
            throw new EmovaException($"{where}: lora_A or lora_B is missing");
        if (down.Shape.Count != 2 || up.Shape.Count != 2 || down.Shape[0] != Rank || up.Shape[1] != Rank)
            throw new EmovaException($"{where}: lora_A {down.ShapeText} and lora_B {up.ShapeText} are not of rank {Rank}");
        parts.TryGetValue("lora_magnitude_vector", out TensorInfo? magnitudes);
        if (IsDora != (magnitudes is not null) || (magnitudes is not null && magnitudes.ElementCount != up.Shape[0]))
            throw new EmovaException($"{where}: use_dora is {IsDora}, which does not fit lora_magnitude_vector {magnitudes?.ShapeText ?? "missing"}");
        return new AdapterLayer(
            index, name, checked((int)down.Shape[1]), checked((int)up.Shape[0]), file.ReadFloat32(down.Name), file.ReadFloat32(up.Name),
            magnitudes is null ? null : file.ReadFloat32(magnitudes.Name));
    }
}

/// <summary>The update of one linear layer.</summary>
/// <param name="Index">Number of the decoder layer.</param>
/// <param name="Name">Name of the linear layer there, such as <c>mlp.down_proj</c>.</param>
/// <param name="Inputs">Its inputs.</param>
/// <param name="Outputs">Its outputs.</param>
/// <param name="Down">A (r, inputs).</param>
/// <param name="Up">B (outputs, r).</param>
/// <param name="Magnitudes">m (outputs) of DoRA; null for LoRA.</param>
public sealed record AdapterLayer(int Index, string Name, int Inputs, int Outputs, float[] Down, float[] Up, float[]? Magnitudes)
{
    /// <summary>Values of the update.</summary>
    public long ParameterCount => Down.LongLength + Up.LongLength + (Magnitudes?.LongLength ?? 0);
}
