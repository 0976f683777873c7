using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Vision;

namespace Emova.Training.Stages;

/// <summary>The sections of a model description that the vision and language stages train, read by the runtime's own reader.</summary>
/// <param name="Vision">the encoder</param>
/// <param name="Text">the language model; its vocabulary size is filled in from the tokenizer</param>
/// <param name="ProjectorDepth">linear layers of the projector</param>
public sealed record TinyModelConfig(Qwen2VisionConfig Vision, DenseDecoderConfig Text, int ProjectorDepth)
{
    /// <summary>Reads a model description.</summary>
    /// <exception cref="EmovaException">The file is missing, is not JSON or has an unusable value.</exception>
    public static TinyModelConfig Load(string path)
    {
        try
        {
            JsonNode root = JsonNode.Parse(File.ReadAllText(path))!;

            // A description for training has no vocabulary yet; every stage takes it from its tokenizer.
            root["text_config"]!["vocab_size"] = 1;
            EmovaConfig config = EmovaConfig.Read(new ConfigSection(path, JsonSerializer.SerializeToElement(root)));
            VisionConfig vision = config.Vision ?? throw new EmovaException($"{path}: section 'vision_config' is missing");
            return new TinyModelConfig(
                vision.Tower is Qwen2VisionConfig { HiddenAct: "quick_gelu" } tower
                    ? tower
                    : throw new EmovaException($"{path}: section 'vision_config' must be of type Qwen2VisionTower, with hidden_act quick_gelu"),
                config.Language as DenseDecoderConfig ?? throw new EmovaException($"{path}: section 'text_config' must describe a qwen2 model"),
                vision.Projector.MlpDepth);
        }
        catch (Exception error) when (error is IOException or JsonException or NullReferenceException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot read the model description: {error.Message}", error);
        }
    }
}
