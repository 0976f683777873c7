using System.Collections;
using System.Text.Json;

namespace Emova.Training.Data;

/// <summary>
/// A JSON-lines file in memory as bytes, each line parsed when it is asked for. Hundreds of thousands of dialogues as objects would make every
/// garbage collection take half a second, and training collects between steps.
/// </summary>
public sealed class JsonLines<T> : IReadOnlyList<T>
{
    private readonly List<(byte[] File, string Path, int Start, int Length)> _lines = [];

    /// <summary>Reads files one after the other.</summary>
    /// <exception cref="FileNotFoundException">One of them is missing.</exception>
    public JsonLines(params IReadOnlyList<string> paths)
    {
        foreach (string path in paths)
        {
            byte[] bytes = File.Exists(path) ? File.ReadAllBytes(path) : throw CorpusJson.Missing(path);
            for (int start = 0; start < bytes.Length;)
            {
                int length = bytes.AsSpan(start).IndexOf((byte)'\n') is >= 0 and int end ? end : bytes.Length - start;
                if (length > 0)
                    _lines.Add((bytes, path, start, length));
                start += length + 1;
            }
        }
    }

    /// <inheritdoc/>
    public int Count => _lines.Count;

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The line is not what it should be.</exception>
    public T this[int index]
    {
        get
        {
            (byte[] file, string path, int start, int length) = _lines[index];
            try
            {
                return JsonSerializer.Deserialize<T>(file.AsSpan(start, length), CorpusJson.Options) ?? throw new JsonException("null");
            }
            catch (JsonException e)
            {
                throw new InvalidDataException($"{path}, byte {start}: {e.Message}", e);
            }
        }
    }

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
