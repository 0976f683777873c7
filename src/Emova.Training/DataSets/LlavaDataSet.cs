using System.Text.Json;

namespace Emova.Training.DataSets;

/// <summary>LLaVA-style conversations in JSON or JSON-lines files, with pictures in a folder.</summary>
public sealed class LlavaDataSet : IExampleSource
{
    private readonly JsonRecords _records;
    private readonly string _pictures;

    /// <param name="path">a file, or a folder of which every .json and .jsonl file is taken, sorted by name</param>
    /// <param name="pictures">folder that the records' <c>image</c> is relative to; null = the folder of the file</param>
    /// <exception cref="EmovaException">There are no such files.</exception>
    public LlavaDataSet(string path, string? pictures = null)
    {
        Path = path;
        string[] files = Directory.Exists(path)
            ? [.. Directory.EnumerateFiles(path).Where(f => f.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || f.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)]
            : [path];
        if (files.Length == 0)
        {
            throw new EmovaException($"{path}: there is no .json or .jsonl file in this folder");
        }

        _pictures = pictures ?? (Directory.Exists(path) ? path : System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
        _records = new JsonRecords(files);
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IEnumerable<(long Key, DataSetExample Example)> Scan(DefectList defects)
    {
        foreach (long key in _records.Scan(defects))
        {
            DataSetExample example;
            try
            {
                example = Read(key);
            }
            catch (DefectException e)
            {
                defects.Add(_records.PlaceOf(key), e);
                continue;
            }

            yield return (key, example);
        }
    }

    /// <inheritdoc/>
    public DataSetExample Read(long key)
    {
        using JsonDocument record = _records.Read(key);
        return ConversationRecord.Read(record.RootElement, _records.PlaceOf(key), Picture);
    }

    /// <inheritdoc/>
    public void Dispose() => _records.Dispose();

    /// <summary>A path below the pictures' folder, or <c>{"pack", "offset", "length"}</c> as <see cref="ParquetPack"/> writes it.</summary>
    private PictureReference Picture(JsonElement field)
    {
        if (field.ValueKind == JsonValueKind.String)
        {
            return Below(field.GetString()!, 0, -1);
        }

        if (field.ValueKind == JsonValueKind.Object && field.TryGetProperty("pack", out JsonElement pack) && pack.ValueKind == JsonValueKind.String
            && field.TryGetProperty("offset", out JsonElement offset) && offset.TryGetInt64(out long start) && start >= 0
            && field.TryGetProperty("length", out JsonElement length) && length.TryGetInt64(out long count) && count >= 0)
        {
            return Below(pack.GetString()!, start, count);
        }

        throw new DefectException(DefectKind.BadRecord, "'image' is not the path of a picture");
    }

    /// <summary>A record must not reach files outside the folder it was given with.</summary>
    private PictureReference Below(string name, long offset, long length)
    {
        string root = System.IO.Path.GetFullPath(_pictures), path;
        try
        {
            path = System.IO.Path.GetFullPath(System.IO.Path.Combine(root, name));
        }
        catch (ArgumentException e)
        {
            throw new DefectException(DefectKind.BadRecord, $"'image' is no path: {e.Message}");
        }

        return path.StartsWith(root.TrimEnd(System.IO.Path.DirectorySeparatorChar) + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? new PictureReference(name, path, offset, length)
            : throw new DefectException(DefectKind.BadRecord, $"{name}: outside the folder of the pictures");
    }
}
