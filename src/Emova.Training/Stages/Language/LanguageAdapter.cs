using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Modules.Language;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>The updates of a language model's linear layers while they are trained, and the folder they are kept in afterwards.</summary>
public sealed class LanguageAdapter
{
    /// <summary>Folder of the finished adapter inside of the run's.</summary>
    public const string FolderName = "adapter";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private readonly LoraSettings _settings;

    private LanguageAdapter(LoraSettings settings) => _settings = settings;

    /// <summary>The trained tensors by the names PEFT gives them.</summary>
    public ParameterStore Store { get; } = new();

    /// <summary>Freezes a model and puts an update beside each of its linear layers that the settings name.</summary>
    public static LanguageAdapter Attach(Qwen2ForCausalLM model, LoraSettings settings)
    {
        settings.Validate();
        LanguageAdapter adapter = new(settings);
        foreach (Parameter parameter in model.parameters()) parameter.requires_grad = false;
        foreach ((string name, nn.Module module) in model.named_modules())
        {
            if (module is not MixedLinear linear || !settings.Targets.Contains(name[(name.LastIndexOf('.') + 1)..])) continue;
            foreach ((string part, Parameter parameter) in linear.Adapt(settings.Rank, settings.Alpha / settings.Rank, settings.Dropout, settings.Dora).Parameters)
                adapter.Store.Add($"{AdapterFile.Prefix}{name}.{part}", parameter);
        }
        return adapter;
    }

    /// <summary>Writes the adapter of a run as PEFT and the runtime read it.</summary>
    /// <param name="weights">a checkpoint of <see cref="Store"/></param>
    /// <param name="folder">the folder to write</param>
    /// <param name="model">what it was trained on, for the record</param>
    public void Export(string weights, string folder, string model)
    {
        Directory.CreateDirectory(folder);
        using (SafetensorsFile file = SafetensorsFile.Open(weights))
        {
            SafetensorsWriter.Write(
                Path.Combine(folder, AdapterFile.WeightsName),
                Store.Parameters.Select(p => TensorData.F32(p.Key, p.Value.shape, file.ReadFloat32(p.Key))), new Dictionary<string, string> { ["format"] = "pt" });
        }
        JsonObject config = new()
        {
            ["peft_type"] = "LORA",
            ["task_type"] = "CAUSAL_LM",
            ["base_model_name_or_path"] = model,
            ["inference_mode"] = true,
            ["r"] = _settings.Rank,
            ["lora_alpha"] = _settings.Alpha,
            ["lora_dropout"] = _settings.Dropout,
            ["use_dora"] = _settings.Dora,
            ["use_rslora"] = false,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["target_modules"] = new JsonArray([.. _settings.Targets.Select(target => (JsonNode)target)]),
        };
        string path = Path.Combine(folder, AdapterFile.ConfigName);
        File.WriteAllText(path + ".tmp", config.ToJsonString(Indented) + "\n");
        File.Move(path + ".tmp", path, overwrite: true);
    }
}
