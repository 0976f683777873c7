using System.Text.Json;
using Emova.Text;
using Emova.Training.Data;

namespace Emova.Training.DataSets;

/// <summary>
/// Conversations of Parquet files as training reads them. A Parquet file can only be read a row group at a time, which is hundreds of
/// pictures for each one wanted, so the first scan copies it once: the pictures byte for byte one after the other, the rest as JSON lines.
/// </summary>
public sealed class ParquetPack : IExampleSource
{
    private const string RecordsFile = "records.jsonl";
    private const string PicturesFile = "pictures.bin";
    private const string StateFile = "source.json";
    private const string DefectsFile = "defects.jsonl";

    private readonly string _folder;
    private LlavaDataSet? _records;

    /// <param name="path">a Parquet file or a folder of them</param>
    /// <param name="folder">where the copy is kept between runs</param>
    public ParquetPack(string path, string folder) => (Path, _folder) = (path, folder);

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IEnumerable<(long Key, DataSetExample Example)> Scan(DefectList defects)
    {
        string state = System.IO.Path.Combine(_folder, StateFile), fingerprint = Fingerprint();
        if (!File.Exists(state) || File.ReadAllText(state) != fingerprint)
        {
            Directory.CreateDirectory(_folder);
            File.Delete(state);
            Copy();
            File.WriteAllText(state, fingerprint);
        }

        foreach (Defect defect in CorpusJson.ReadLines<Defect>(System.IO.Path.Combine(_folder, DefectsFile)))
        {
            defects.Add(Enum.Parse<DefectKind>(defect.Kind), defect.Item, defect.Reason, defect.Used);
        }

        _records = new LlavaDataSet(System.IO.Path.Combine(_folder, RecordsFile), _folder);
        return _records.Scan(defects);
    }

    /// <inheritdoc/>
    public DataSetExample Read(long key) => (_records ?? throw new InvalidOperationException("not scanned")).Read(key);

    /// <inheritdoc/>
    public void Dispose() => _records?.Dispose();

    /// <summary>Another name, length or time of any file means another copy.</summary>
    private string Fingerprint() => JsonSerializer.Serialize(
        ParquetRecords.Files(Path).Select(f => new FileInfo(f)).Select(f => new { f.FullName, f.Length, Modified = f.LastWriteTimeUtc.Ticks }));

    private void Copy()
    {
        DefectList defects = new();
        using FileStream pictures = File.Create(System.IO.Path.Combine(_folder, PicturesFile));
        CorpusJson.WriteLines(System.IO.Path.Combine(_folder, RecordsFile), ParquetRecords.Conversations(Path, defects).Select(example =>
        {
            object? image = null;
            if (example.Picture?.Bytes is { } bytes)
            {
                image = new { pack = PicturesFile, offset = pictures.Position, length = bytes.Length };
                pictures.Write(bytes);
            }

            return new
            {
                id = example.Id, image, language = example.Language,
                conversations = example.Messages.Select(m => new { from = m.Role == ConversationRole.User ? "human" : "gpt", value = m.Text }),
            };
        }));
        defects.Save(System.IO.Path.Combine(_folder, DefectsFile));
    }
}
