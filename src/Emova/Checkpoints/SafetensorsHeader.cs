using System.Text.Json;

namespace Emova.Checkpoints;

/// <summary>
/// Parses and checks a safetensors header. Files come from downloads, so nothing in the header is trusted: every tensor's
/// byte range must match its type and shape, and the ranges must tile the data section without gaps or overlaps.
/// </summary>
internal static class SafetensorsHeader
{
    private const int MaxJsonDepth = 8;
    private const string MetadataKey = "__metadata__";

    /// <param name="path">Named in errors.</param>
    /// <param name="json">Header bytes, without the length field.</param>
    /// <param name="dataStart">Position of the data section in the file.</param>
    /// <param name="dataLength">Bytes in the data section.</param>
    /// <param name="tensors">Entries in file order of the header.</param>
    /// <param name="metadata">The optional free-form strings.</param>
    public static void Parse(
        string path,
        ReadOnlySpan<byte> json,
        long dataStart,
        long dataLength,
        out Dictionary<string, TensorInfo> tensors,
        out Dictionary<string, string> metadata)
    {
        tensors = new Dictionary<string, TensorInfo>(StringComparer.Ordinal);
        metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxJsonDepth });
            Expect(ref reader, JsonTokenType.StartObject);
            while (Next(ref reader) == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                if (name == MetadataKey)
                    ReadMetadata(ref reader, metadata);
                else if (!tensors.TryAdd(name, ReadTensor(ref reader, name, dataStart, dataLength)))
                    throw new FormatException($"tensor '{Shorten(name)}' appears twice");
            }

            // The last Next() saw the closing brace; only padding may follow.
            if (reader.Read())
                throw new FormatException("text after the end of the header object");
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            // InvalidOperationException: GetString() on text that is not valid UTF-8.
            throw new EmovaException($"{path}: not a valid safetensors header: {FirstLine(e.Message)}", e);
        }

        CheckTiling(path, tensors.Values, dataStart, dataLength);
    }

    private static TensorInfo ReadTensor(ref Utf8JsonReader reader, string name, long dataStart, long dataLength)
    {
        DType? type = null;
        List<long>? shape = null;
        List<long>? range = null;
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            string field = reader.GetString()!;
            switch (field)
            {
                case "dtype" when type is null:
                    Expect(ref reader, JsonTokenType.String);
                    string text = reader.GetString()!;
                    if (!DTypes.TryParse(text, out DType parsed))
                        throw new FormatException($"tensor '{Shorten(name)}' has unsupported type '{Shorten(text)}'");
                    type = parsed;
                    break;
                case "shape" when shape is null:
                    shape = ReadIntegers(ref reader, name);
                    break;
                case "data_offsets" when range is null:
                    range = ReadIntegers(ref reader, name);
                    break;
                default:
                    throw new FormatException($"tensor '{Shorten(name)}' has an unknown or repeated field '{Shorten(field)}'");
            }
        }

        if (type is null || shape is null || range is not { Count: 2 })
            throw new FormatException($"tensor '{Shorten(name)}' lacks dtype, shape or data_offsets");
        long begin = range[0], end = range[1];
        if (begin > end || end > dataLength)
            throw new FormatException($"tensor '{Shorten(name)}' spans bytes {begin}..{end} of a data section of {dataLength} bytes");
        if (!TryByteCount(shape, type.Value, out long bytes) || bytes != end - begin)
        {
            throw new FormatException(
                $"tensor '{Shorten(name)}' of type {type.Value.HeaderName()} and shape {Shorten(TensorInfo.FormatShape(shape))} " +
                $"does not fill its {end - begin} bytes");
        }

        return new TensorInfo(name, type.Value, shape, dataStart + begin, bytes);
    }

    private static List<long> ReadIntegers(ref Utf8JsonReader reader, string name)
    {
        List<long> values = [];
        Expect(ref reader, JsonTokenType.StartArray);
        while (Next(ref reader) == JsonTokenType.Number)
        {
            if (!reader.TryGetInt64(out long value) || value < 0)
                throw new FormatException($"tensor '{Shorten(name)}' has a size or offset that is not a whole number from 0");
            values.Add(value);
        }

        if (reader.TokenType != JsonTokenType.EndArray)
            throw new FormatException($"tensor '{Shorten(name)}' has a size or offset that is not a number");
        return values;
    }

    private static void ReadMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String);
            if (!metadata.TryAdd(key, reader.GetString()!))
                throw new FormatException($"metadata key '{Shorten(key)}' appears twice");
        }
    }

    private static bool TryByteCount(List<long> shape, DType type, out long bytes)
    {
        bytes = type.ByteSize();
        if (shape.Contains(0))
        {
            bytes = 0;
            return true;
        }

        foreach (long size in shape)
        {
            if (bytes > long.MaxValue / size)
                return false;
            bytes *= size;
        }

        return true;
    }

    private static void CheckTiling(string path, IEnumerable<TensorInfo> tensors, long dataStart, long dataLength)
    {
        long position = dataStart;
        foreach (TensorInfo tensor in tensors.OrderBy(t => t.Offset).ThenBy(t => t.ByteLength))
        {
            if (tensor.Offset != position)
            {
                string problem = tensor.Offset < position ? "overlaps the tensor before it" : "leaves a gap before it";
                throw new EmovaException($"{path}: not a valid safetensors header: tensor '{Shorten(tensor.Name)}' {problem}");
            }

            position += tensor.ByteLength;
        }

        if (position != dataStart + dataLength)
            throw new EmovaException($"{path}: {dataStart + dataLength - position} bytes follow the last tensor; the file is damaged");
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        if (!reader.Read())
            throw new FormatException("it ends early");
        return reader.TokenType;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        JsonTokenType actual = Next(ref reader);
        if (actual != type)
            throw new FormatException($"expected {type}, found {actual} at byte {reader.TokenStartIndex}");
    }

    // Names may hold anything, including line breaks and megabytes of text; messages stay one short line.
    internal static string Shorten(string text)
    {
        string line = new([.. text.Take(120).Select(c => char.IsControl(c) ? '?' : c)]);
        return text.Length > 120 ? line + "..." : line;
    }

    private static string FirstLine(string text) => Shorten(text.Split('\n', 2)[0].TrimEnd());
}
