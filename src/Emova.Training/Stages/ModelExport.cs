using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;

namespace Emova.Training.Stages;

/// <summary>Settings of <c>emova-train export</c>, configs/training/export.yaml.</summary>
public sealed record ExportSettings
{
    /// <summary>Template of config.json.</summary>
    public string Model { get; set; } = "configs/models/emova-tiny.json";

    /// <summary>Run that holds vision encoder, projector, language model and tokenizer.</summary>
    public string LanguageRun { get; set; } = "finetune";

    /// <summary>Folder to write.</summary>
    public string Output { get; set; } = "models/emova-tiny";

    /// <summary>Longest reply in tokens.</summary>
    public int MaxNewTokens { get; set; } = 512;
}

/// <summary>Assembles the model folder from the newest checkpoints of the runs: weights in bfloat16, one file.</summary>
public static class ModelExport
{
    private const string EncoderPrefix = "speech_encoder.";
    private const string DecoderPrefix = "speech_decoder.";
    private const string EmbeddingName = "model.embed_tokens.weight";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the folder and returns what it holds, one line each.</summary>
    /// <exception cref="EmovaException">A run or a file is missing.</exception>
    public static IEnumerable<string> Run(ExportSettings settings, string runs)
    {
        string tokenizer = Path.Combine(runs, settings.LanguageRun, "tokenizer.json");
        if (!File.Exists(tokenizer)) throw new EmovaException($"{tokenizer}: not found; run `emova-train {settings.LanguageRun}` first");
        string language = RunFolder.WeightsOf(runs, settings.LanguageRun);
        SpeechEncoderModel encoder = SpeechEncoderModel.Load(settings.Model, runs, SpeechEncoderStage.Name);
        SpeechDecoderModel decoder = SpeechDecoderModel.Load(settings.Model, runs, SpeechDurationStage.Name);

        JsonObject config = JsonNode.Parse(File.ReadAllText(settings.Model))?.AsObject() ?? throw new EmovaException($"{settings.Model}: empty");
        JsonObject speech = config["speech_encoder_config"]!.AsObject();
        speech["n_labels"] = encoder.Phones.Count;
        speech["labels"] = new JsonArray([.. encoder.Phones.Select(phone => (JsonNode)phone)]);
        List<TensorData> tensors = [.. Stored(language)];
        config["text_config"]!["vocab_size"] = tensors.FirstOrDefault(tensor => tensor.Name == EmbeddingName)?.Shape[0]
            ?? throw new EmovaException($"{language}: no tensor '{EmbeddingName}'");
        tensors.AddRange(encoder.Store.Export(DType.BF16, EncoderPrefix));
        tensors.AddRange(decoder.ExportVocoder(DType.BF16, DecoderPrefix));

        Directory.CreateDirectory(settings.Output);
        Write("config.json", config.ToJsonString(Indented));
        Write("generation_config.json", new JsonObject { ["do_sample"] = false, ["max_new_tokens"] = settings.MaxNewTokens }.ToJsonString(Indented));
        File.Copy(tokenizer, Path.Combine(settings.Output, "tokenizer.json"), overwrite: true);
        SafetensorsWriter.Write(Path.Combine(settings.Output, "styles.safetensors"), decoder.ExportStyles());
        SafetensorsWriter.Write(Path.Combine(settings.Output, "model.safetensors"), tensors, new Dictionary<string, string> { ["format"] = "pt" });

        foreach ((string name, string prefix) in new[] { ("speech encoder", EncoderPrefix), ("speech decoder", DecoderPrefix), ("vision and language", "model.") })
        {
            TensorData[] part = [.. tensors.Where(tensor => tensor.Name.StartsWith(prefix, StringComparison.Ordinal))];
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{name}: {part.Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)) / 1e6:F2} M values, {part.Sum(t => (long)t.Data.Length) / 1e6:F1} MB");
        }
        yield return $"written to {settings.Output}";

        void Write(string name, string text)
        {
            string path = Path.Combine(settings.Output, name);
            File.WriteAllText(path + ".tmp", text + "\n");
            File.Move(path + ".tmp", path, overwrite: true);
        }
    }

    private static IEnumerable<TensorData> Stored(string weights)
    {
        using SafetensorsFile file = SafetensorsFile.Open(weights);
        foreach ((string name, TensorInfo info) in file.Tensors)
            yield return TensorData.BF16(name, [.. info.Shape], file.ReadFloat32(name));
    }
}
