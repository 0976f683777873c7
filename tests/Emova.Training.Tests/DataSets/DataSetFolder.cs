using System.Text.Json;
using Emova.Media;
using Parquet.Serialization;
using StbImageWriteSharp;

namespace Emova.Training.Tests.DataSets;

/// <summary>A temporary folder and the small data sets that tests put into it.</summary>
public sealed class DataSetFolder : IDisposable
{
    public DataSetFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"emova-datasets-{Guid.NewGuid():N}");

    public string File(params string[] parts)
    {
        string path = System.IO.Path.Combine([Path, .. parts]);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        return path;
    }

    public string Text(string text, params string[] parts)
    {
        string path = File(parts);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    public static byte[] Png(int width = 56, int height = 84, byte color = 90)
    {
        byte[] pixels = new byte[3 * width * height];
        Array.Fill(pixels, color);
        using MemoryStream stream = new();
        new ImageWriter().WritePng(pixels, width, height, ColorComponents.RedGreenBlue, stream);
        return stream.ToArray();
    }

    public string Picture(params string[] parts)
    {
        string path = File(parts);
        System.IO.File.WriteAllBytes(path, Png());
        return path;
    }

    /// <summary>A tone that changes, so that it has something of speech for the encoder.</summary>
    public static float[] Sound(double seconds, int rate = 16000, double pitch = 180) =>
        [.. Enumerable.Range(0, (int)(seconds * rate)).Select(i => (float)(0.4 * Math.Sin(i * 2 * Math.PI * pitch / rate) * Math.Sin(i * 9.0 / rate)))];

    public string Wav(float[] samples, int rate, params string[] parts)
    {
        string path = File(parts);
        WavFile.Write(path, samples, rate, WavEncoding.IeeeFloat);
        return path;
    }

    public string Flac(float[] samples, int rate, params string[] parts)
    {
        string path = File(parts);
        using FileStream stream = System.IO.File.Create(path);
        using FlacWriter writer = new(stream, rate);
        writer.Write(samples);
        return path;
    }

    /// <summary>A conversation in LLaVA's form.</summary>
    public static object Conversation(string id, string? image, params string[] turns) => new
    {
        id, image, conversations = turns.Select((value, i) => new { from = i % 2 == 0 ? "human" : "gpt", value }),
    };

    public string Json(object value, params string[] parts) => Text(JsonSerializer.Serialize(value), parts);

    /// <summary>A folder in LibriSpeech's form; what is said is a list of ids and texts.</summary>
    public string LibriSpeech(string name, IReadOnlyList<(string Id, string Text)> said, double seconds = 0.6)
    {
        foreach ((string id, string _) in said)
        {
            Flac(Sound(seconds, pitch: 120 + (10 * id.Length)), 16000, name, "84", "121123", id + ".flac");
        }

        Text(string.Concat(said.Select(s => $"{s.Id} {s.Text}\n")), name, "84", "121123", "84-121123.trans.txt");
        Text("; ID | SEX | SUBSET\n84   | F | dev-clean | 8.0 | Somebody\n", name, "SPEAKERS.TXT");
        return System.IO.Path.Combine(Path, name);
    }

    /// <summary>A Parquet file as Hugging Face writes conversations with embedded pictures.</summary>
    public string Parquet(IReadOnlyList<ParquetRow> rows, string name, int rowsPerGroup = 2)
    {
        string path = File(name);
        using FileStream stream = System.IO.File.Create(path);
        ParquetSerializer.SerializeAsync(rows, stream, new Parquet.ParquetOptions { RowGroupSize = rowsPerGroup }).GetAwaiter().GetResult();
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public sealed class ParquetRow
    {
        public string? id { get; set; }

        public ParquetImage? image { get; set; }

        public List<ParquetTurn>? conversations { get; set; }

        public static ParquetRow Of(string id, byte[]? picture, params string[] turns) => new()
        {
            id = id,
            image = picture is null ? null : new ParquetImage { bytes = picture, path = id + ".png" },
            conversations = [.. turns.Select((value, i) => new ParquetTurn { from = i % 2 == 0 ? "human" : "gpt", value = value })],
        };
    }

    public sealed class ParquetImage
    {
        public byte[]? bytes { get; set; }

        public string? path { get; set; }
    }

    public sealed class ParquetTurn
    {
        public string? from { get; set; }

        public string? value { get; set; }
    }
}
