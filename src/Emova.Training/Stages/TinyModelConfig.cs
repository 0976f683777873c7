using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Media;
using Emova.Training.Modules.Language;
using Emova.Training.Modules.Vision;

namespace Emova.Training.Stages;

/// <summary>The sections of a model description (config.json) that the vision and language stages train.</summary>
/// <param name="Vision">vision_config: the encoder</param>
/// <param name="Text">text_config: the language model; its vocabulary size is filled in from the tokenizer</param>
/// <param name="ProjectorDepth">mm_projector_config.mlp_depth</param>
/// <param name="MinPixels">smallest picture area aimed for</param>
/// <param name="MaxPixels">largest picture area</param>
public sealed record TinyModelConfig(Qwen2VisionConfig Vision, Qwen2Config Text, int ProjectorDepth, long MinPixels, long MaxPixels)
{
    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads a model description.</summary>
    /// <exception cref="EmovaException">The file is missing, is not JSON or lacks a section.</exception>
    public static TinyModelConfig Load(string path)
    {
        try
        {
            JsonNode root = JsonNode.Parse(File.ReadAllText(path))!;
            JsonNode vision = Section("vision_config");
            return new TinyModelConfig(
                vision.Deserialize<Qwen2VisionConfig>(SnakeCase)!,
                Section("text_config").Deserialize<Qwen2Config>(SnakeCase)!,
                Section("mm_projector_config")["mlp_depth"]!.GetValue<int>(),
                vision["min_pixels"]!.GetValue<long>(),
                vision["max_pixels"]!.GetValue<long>());

            JsonNode Section(string name) => root[name] ?? throw new EmovaException($"{path}: section '{name}' is missing");
        }
        catch (Exception error) when (error is IOException or JsonException or NullReferenceException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: {error.Message}", error);
        }
    }

    /// <summary>The picture preprocessing of the described model.</summary>
    public Qwen2ImageProcessor ImageProcessor() => new()
    {
        PatchSize = Vision.PatchSize,
        SpatialMergeSize = Vision.SpatialMergeSize,
        TemporalPatchSize = Vision.TemporalPatchSize,
        MinPixels = MinPixels,
        MaxPixels = MaxPixels,
    };
}
