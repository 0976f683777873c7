using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Emova.Training.Infrastructure;

/// <summary>Scalars of a run: one JSON object per line in metrics.jsonl, and a TensorBoard event file with the same values.</summary>
public sealed class MetricsLog : IDisposable
{
    private readonly StreamWriter _lines;
    private readonly TensorBoardWriter _events;

    /// <summary>Opens the logs in <paramref name="folder"/>. Lines after <paramref name="firstStep"/> finished steps are dropped: a resumed run writes them again.</summary>
    public MetricsLog(string folder, long firstStep)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "metrics.jsonl");
        if (File.Exists(path))
        {
            string[] lines = File.ReadAllLines(path), kept = [.. lines.Where(line => StepOf(line) <= firstStep)];
            if (kept.Length < lines.Length)
            {
                File.WriteAllLines(path + ".tmp", kept);
                File.Move(path + ".tmp", path, overwrite: true);
            }
        }
        _lines = new StreamWriter(path, append: true, new UTF8Encoding(false)) { AutoFlush = true };
        _events = new TensorBoardWriter(folder, firstStep);
    }

    /// <summary>Writes the values of one step.</summary>
    public void Write(long step, IEnumerable<KeyValuePair<string, double>> values)
    {
        JsonObject line = new() { ["step"] = step, ["time"] = DateTimeOffset.UtcNow.ToString("o") };
        foreach ((string name, double value) in values)
        {
            line[name] = double.IsFinite(value) ? JsonValue.Create(Math.Round(value, 6)) : null;
            Attempt(() => _events.Scalar(step, name, (float)value));
        }
        Attempt(() => _lines.WriteLine(line.ToJsonString()));
        Attempt(_events.Flush);
    }

    public void Dispose()
    {
        Attempt(_lines.Dispose);
        Attempt(_events.Dispose);
    }

    /// <summary>A full disk costs lines of the log, not the run: the next checkpoint says what is wrong.</summary>
    private static void Attempt(Action write)
    {
        try
        {
            write();
        }
        catch (IOException)
        {
        }
    }

    private static long StepOf(string line)
    {
        try
        {
            return JsonNode.Parse(line)?["step"]?.GetValue<long>() ?? long.MaxValue;
        }
        catch (JsonException)
        {
            return long.MaxValue; // a line cut short when the process was killed
        }
    }
}

/// <summary>
/// Writes scalars in TensorBoard's event format: TFRecord framing (length, masked CRC-32C, payload, masked CRC-32C) around
/// the protocol-buffer message Event with the fields wall_time (1), step (2), file_version (3) and summary (5).
/// </summary>
internal sealed class TensorBoardWriter : IDisposable
{
    private readonly FileStream _stream;

    public TensorBoardWriter(string folder, long firstStep)
    {
        long seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        _stream = new FileStream(Path.Combine(folder, $"events.out.tfevents.{seconds}.{firstStep}"), FileMode.Create, FileAccess.Write, FileShare.Read);
        using MemoryStream message = new();
        WriteDouble(message, 1, Now());
        WriteBytes(message, 3, "brain.Event:2"u8);
        Record(message.ToArray());
        Flush();
    }

    public void Scalar(long step, string tag, float value)
    {
        using MemoryStream entry = new();
        WriteBytes(entry, 1, Encoding.UTF8.GetBytes(tag));
        entry.WriteByte(0x15); // field 2 (simple_value), 32-bit
        Span<byte> bits = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bits, value);
        entry.Write(bits);
        using MemoryStream summary = new();
        WriteBytes(summary, 1, entry.ToArray());
        using MemoryStream message = new();
        WriteDouble(message, 1, Now());
        message.WriteByte(0x10); // field 2 (step), varint
        WriteVarint(message, (ulong)step);
        WriteBytes(message, 5, summary.ToArray());
        Record(message.ToArray());
    }

    public void Flush() => _stream.Flush();

    public void Dispose() => _stream.Dispose();

    /// <summary>CRC-32C with TFRecord's mask, which keeps checksums of data that contains checksums apart.</summary>
    internal static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data) crc = System.Numerics.BitOperations.Crc32C(crc, value);
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    }

    private static double Now() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;

    private void Record(byte[] payload)
    {
        Span<byte> header = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], MaskedCrc(header[..8]));
        _stream.Write(header);
        _stream.Write(payload);
        BinaryPrimitives.WriteUInt32LittleEndian(header, MaskedCrc(payload));
        _stream.Write(header[..4]);
    }

    private static void WriteDouble(MemoryStream stream, int field, double value)
    {
        stream.WriteByte((byte)(field << 3 | 1));
        Span<byte> bits = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(bits, value);
        stream.Write(bits);
    }

    private static void WriteBytes(MemoryStream stream, int field, ReadOnlySpan<byte> value)
    {
        stream.WriteByte((byte)(field << 3 | 2));
        WriteVarint(stream, (ulong)value.Length);
        stream.Write(value);
    }

    private static void WriteVarint(MemoryStream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7) stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }
}
