using System.Text.Json;

namespace Emova.Checkpoints;

/// <summary>
/// A folder with a model: <c>config.json</c>, <c>model.safetensors</c> (or shards with <c>model.safetensors.index.json</c>),
/// <c>tokenizer.json</c>, <c>styles.safetensors</c>, <c>generation_config.json</c>. Nothing is read before it is asked for.
/// </summary>
public sealed class ModelFolder : IDisposable
{
    private const long MaxJsonBytes = 64 << 20;
    private const string IndexFile = "model.safetensors.index.json";
    private const string WeightsFile = "model.safetensors";

    private readonly List<SafetensorsFile> open = [];

    private ModelFolder(string path, ConfigSection config) => (Path, Config) = (path, config);

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The content of <c>config.json</c>.</summary>
    public ConfigSection Config { get; }

    /// <summary>Path of the tokenizer.</summary>
    /// <exception cref="EmovaException">The folder has none.</exception>
    public string TokenizerPath => RequiredFile("tokenizer.json");

    /// <summary>Opens a folder and reads its configuration.</summary>
    /// <exception cref="EmovaException">The folder or its config.json is missing or damaged.</exception>
    public static ModelFolder Open(string path)
    {
        if (!Directory.Exists(path))
            throw new EmovaException($"{path}: no such model folder");
        return new ModelFolder(path, ReadJson(System.IO.Path.Combine(path, "config.json")));
    }

    /// <summary>Reads a configuration file that lies outside of a model folder.</summary>
    /// <exception cref="EmovaException">The file is missing or damaged.</exception>
    public static ConfigSection ReadConfig(string path) => ReadJson(path);

    /// <summary>The content of <c>generation_config.json</c>, or null when the folder has none.</summary>
    /// <exception cref="EmovaException">The file is damaged.</exception>
    public ConfigSection? ReadGenerationConfig()
    {
        string path = System.IO.Path.Combine(Path, "generation_config.json");
        return File.Exists(path) ? ReadJson(path) : null;
    }

    /// <summary>Whether the folder has weights, or at least an index of them.</summary>
    public bool HasWeights => File.Exists(System.IO.Path.Combine(Path, IndexFile)) || File.Exists(System.IO.Path.Combine(Path, WeightsFile));

    /// <summary>Opens the weight files; they are closed with the folder.</summary>
    /// <exception cref="EmovaException">Weights are missing, damaged, or differ from their index.</exception>
    public IReadOnlyList<SafetensorsFile> OpenWeights()
    {
        string indexPath = System.IO.Path.Combine(Path, IndexFile);
        bool isSharded = File.Exists(indexPath);
        return isSharded ? OpenShards(indexPath) : [Track(SafetensorsFile.Open(RequiredFile(WeightsFile)))];
    }

    /// <summary>Reads the voice styles: one vector of <paramref name="dim"/> values per style name; empty when the folder has none.</summary>
    /// <exception cref="EmovaException">The file is damaged, or a vector has another size.</exception>
    public IReadOnlyDictionary<string, float[]> ReadStyles(int dim)
    {
        Dictionary<string, float[]> styles = new(StringComparer.Ordinal);
        string path = System.IO.Path.Combine(Path, "styles.safetensors");
        if (!File.Exists(path))
            return styles;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            if (tensor.ElementCount != dim)
                throw new EmovaException($"{path}: style '{SafetensorsHeader.Shorten(tensor.Name)}' has {tensor.ElementCount} values, expected {dim}");
            styles[tensor.Name] = file.ReadFloat32(tensor.Name);
        }

        return styles;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafetensorsFile file in open)
            file.Dispose();
        open.Clear();
    }

    private List<SafetensorsFile> OpenShards(string indexPath)
    {
        Dictionary<string, List<string>> namesByFile = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in ReadJson(indexPath).Section("weight_map").Json.EnumerateObject())
        {
            string name = entry.Name;
            string? file = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString() : null;
            // The index comes from a download: it must not point outside of the folder.
            if (string.IsNullOrEmpty(file) || file != System.IO.Path.GetFileName(file) || file is "." or ".." || file.Contains('\\') || file.Any(char.IsControl))
                throw new EmovaException($"{indexPath}: '{SafetensorsHeader.Shorten(name)}' does not name a file of this folder");
            if (!namesByFile.TryGetValue(file, out List<string>? names))
                namesByFile[file] = names = [];
            names.Add(name);
        }

        if (namesByFile.Count == 0)
            throw new EmovaException($"{indexPath}: weight_map is empty");

        List<SafetensorsFile> shards = [];
        foreach ((string file, List<string> names) in namesByFile.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            SafetensorsFile shard = Track(SafetensorsFile.Open(RequiredFile(file)));
            foreach (string name in names)
            {
                if (!shard.Tensors.ContainsKey(name))
                    throw new EmovaException($"{indexPath}: '{SafetensorsHeader.Shorten(name)}' should be in {file}, which does not have it");
            }

            shards.Add(shard);
        }

        return shards;
    }

    private SafetensorsFile Track(SafetensorsFile file)
    {
        open.Add(file);
        return file;
    }

    private string RequiredFile(string name)
    {
        string path = System.IO.Path.Combine(Path, name);
        return File.Exists(path) ? path : throw new EmovaException($"{Path}: the model folder has no {name}");
    }

    private static ConfigSection ReadJson(string path)
    {
        try
        {
            FileInfo file = new(path);
            if (file.Length > MaxJsonBytes)
                throw new EmovaException($"{path}: {file.Length} bytes are too many for a configuration file");
            byte[] json = File.ReadAllBytes(path);
            CheckStrings(json);
            using JsonDocument document = JsonDocument.Parse(json);
            return new ConfigSection(path, document.RootElement.Clone());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new EmovaException($"{path}: not valid JSON: {SafetensorsHeader.Shorten(e.Message)}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot read: {e.Message}", e);
        }
    }

    /// <summary>A document may hold strings that are no text, half a surrogate pair or bytes that are not UTF-8, and throws only when they are read.</summary>
    private static void CheckStrings(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.String)
                _ = reader.GetString();
        }
    }
}
