using System.Text.Json;

namespace Emova.Training.Modules.Speech;

/// <summary>The model template of the training runs, configs/models/emova-tiny.json.</summary>
public static class ModelConfig
{
    internal static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads one section of the file.</summary>
    /// <exception cref="EmovaException">The file or the section is missing or not valid JSON.</exception>
    public static JsonElement Section(string path, string name)
    {
        if (!File.Exists(path)) throw new EmovaException($"{path}: no such model configuration");
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
            return document.RootElement.TryGetProperty(name, out JsonElement section) ? section.Clone() : throw new EmovaException($"{path}: no section '{name}'");
        }
        catch (JsonException error)
        {
            throw new EmovaException($"{path}: {error.Message}", error);
        }
    }
}
