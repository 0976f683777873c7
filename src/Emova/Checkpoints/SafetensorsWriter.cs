using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Emova.Checkpoints;

/// <summary>Writes safetensors files. A file appears complete or not at all: data goes to a temporary file that is renamed.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes <paramref name="tensors"/> to <paramref name="path"/>, replacing an existing file.</summary>
    /// <param name="path">Destination; its folder must exist.</param>
    /// <param name="tensors">Tensors in the order in which they are stored.</param>
    /// <param name="metadata">Optional strings for the header.</param>
    /// <exception cref="EmovaException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException">A name is used twice, or data does not match type and shape.</exception>
    public static void Write(
        string path, IEnumerable<TensorData> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteStreams(path, tensors.Select(tensor => new TensorStream(
            tensor.Name, tensor.DType, tensor.Shape, tensor.Data.Length, stream => stream.Write(tensor.Data.Span))), metadata);

    /// <summary>Writes tensors that are produced while they are written.</summary>
    /// <param name="path">Destination; its folder must exist.</param>
    /// <param name="tensors">Tensors in the order in which they are stored.</param>
    /// <param name="metadata">Optional strings for the header.</param>
    /// <exception cref="EmovaException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException">A name is used twice, or data does not match type and shape.</exception>
    public static void WriteStreams(
        string path, IEnumerable<TensorStream> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        List<TensorStream> list = [.. tensors];
        byte[] header = BuildHeader(list, metadata);
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                Span<byte> length = stackalloc byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
                stream.Write(length);
                stream.Write(header);
                foreach (TensorStream tensor in list)
                {
                    long end = stream.Position + tensor.ByteLength;
                    tensor.Write(stream);
                    if (stream.Position != end)
                        throw new ArgumentException($"tensor '{tensor.Name}': {stream.Position - end + tensor.ByteLength} bytes written, {tensor.ByteLength} announced", nameof(tensors));
                }

                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot write: {e.Message}", e);
        }
        finally
        {
            if (File.Exists(temporary))
                File.Delete(temporary);
        }
    }

    private static byte[] BuildHeader(List<TensorStream> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            HashSet<string> names = new(StringComparer.Ordinal) { "__metadata__" };
            long offset = 0;
            foreach (TensorStream tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                    throw new ArgumentException($"tensor name '{tensor.Name}' is used twice", nameof(tensors));
                long elements = tensor.Shape.Aggregate(1L, (product, size) => checked(product * size));
                if (tensor.Shape.Any(size => size < 0) || elements * tensor.DType.ByteSize() != tensor.ByteLength)
                {
                    throw new ArgumentException(
                        $"tensor '{tensor.Name}': {tensor.ByteLength} bytes do not match {tensor.DType} " +
                        TensorInfo.FormatShape(tensor.Shape), nameof(tensors));
                }

                WriteEntry(json, tensor, offset);
                offset += tensor.ByteLength;
            }

            json.WriteEndObject();
        }

        // Readers expect data aligned to 8 bytes; the format pads the header with spaces.
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static void WriteEntry(Utf8JsonWriter json, TensorStream tensor, long offset)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.DType.HeaderName());
        json.WriteStartArray("shape");
        foreach (long size in tensor.Shape)
            json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(offset + tensor.ByteLength);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
