using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Training.Data;

/// <summary>JSON options and line-wise reading and writing shared by every file of the corpus.</summary>
public static class CorpusJson
{
    /// <summary>Camel-case names, nulls omitted, no escaping of plain text.</summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>What to say when a file of the corpus is not there.</summary>
    internal static FileNotFoundException Missing(string path) => new($"{path}: not found; run 'emova-train data' (and 'encode' for units) first", path);

    public static IEnumerable<T> ReadLines<T>(string path)
    {
        if (!File.Exists(path))
            throw Missing(path);
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (line.Length == 0)
                continue;
            T? value;
            try
            {
                value = JsonSerializer.Deserialize<T>(line, Options);
            }
            catch (JsonException e)
            {
                throw new InvalidDataException($"{path}, line {number}: {e.Message}", e);
            }
            yield return value ?? throw new InvalidDataException($"{path}, line {number}: null");
        }
    }

    /// <summary>Writes one JSON value per line to a temporary file that then replaces <paramref name="path"/>.</summary>
    public static void WriteLines<T>(string path, IEnumerable<T> values)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        string temporary = path + ".tmp";
        using (var writer = new StreamWriter(temporary) { NewLine = "\n" })
        {
            foreach (T value in values)
                writer.WriteLine(JsonSerializer.Serialize(value, Options));
        }
        File.Move(temporary, path, overwrite: true);
    }
}
