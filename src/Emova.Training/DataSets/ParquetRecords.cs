using System.Text.Json;
using Emova.Text;

namespace Emova.Training.DataSets;

/// <summary>
/// Conversations and recordings in Hugging Face Parquet files. Columns decide what a file holds: <c>conversations</c> (or <c>messages</c>) as a
/// list of turns or JSON text; <c>question</c> and <c>answer</c>; or <c>audio</c> with <c>text</c>. Pictures and recordings are embedded
/// (<c>image.bytes</c>, <c>audio.bytes</c>).
/// </summary>
public static class ParquetRecords
{
    private static readonly string[] TextNames = ["text", "sentence", "transcription", "transcript", "normalized_text", "raw_text"];

    /// <summary>The files of a data set: one file, or all below a folder, sorted.</summary>
    /// <exception cref="EmovaException">There are none.</exception>
    public static string[] Files(string path)
    {
        string[] files = Directory.Exists(path) ? [.. Directory.EnumerateFiles(path, "*.parquet", SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [path];
        return files.Length > 0 ? files : throw new EmovaException($"{path}: there is no .parquet file in this folder");
    }

    /// <summary>Whether a file holds recordings rather than conversations.</summary>
    /// <exception cref="EmovaException">It is no Parquet file.</exception>
    public static bool HoldsSpeech(string file)
    {
        using ParquetTable table = ParquetTable.Open(file);
        return Find(table, "audio") is not null && Find(table, "conversations", "messages") is null;
    }

    /// <summary>All conversations, a row group in memory at a time.</summary>
    public static IEnumerable<DataSetExample> Conversations(string path, DefectList defects)
    {
        foreach ((string file, ParquetTable table, int group) in Groups(path, defects))
        {
            List<(string Place, Func<DataSetExample> Read)> rows;
            try
            {
                rows = ConversationRows(table, group, file);
            }
            catch (EmovaException e)
            {
                defects.Add(DefectKind.BadRecord, $"{file}, row group {group}", e.Message);
                continue;
            }

            foreach ((string place, Func<DataSetExample> read) in rows)
            {
                if (Listed(defects, place, read) is { } example)
                {
                    yield return example;
                }
            }
        }
    }

    /// <summary>All recordings, a row group in memory at a time.</summary>
    public static IEnumerable<SpeechRecording> Recordings(string path, DefectList defects)
    {
        foreach ((string file, ParquetTable table, int group) in Groups(path, defects))
        {
            List<SpeechRecording> recordings = [];
            try
            {
                string[] texts = Find(table, TextNames) ?? throw new EmovaException($"{file}: no column with the transcript ({string.Join(", ", TextNames)})");
                List<byte[]?>[] audio = table.Bytes(group, Bytes(table, "audio") ?? throw new EmovaException($"{file}: the column audio has no embedded recordings"));
                List<string?>[] text = table.Texts(group, texts);
                List<string?>[]? ids = Ids(table, group), speakers = Optional(table, group, "speaker_id", "client_id", "speaker"), languages = Optional(table, group, "language", "locale");
                List<string?>[]? genders = Optional(table, group, "gender"), emotions = Optional(table, group, "emotion", "style");
                for (int row = 0; row < text.Length; row++)
                {
                    string place = $"{Path.GetFileName(file)}-{group}-{row}";
                    recordings.Add(new SpeechRecording(One(ids, row) ?? place, One(text, row) ?? "", null)
                    {
                        Bytes = audio[row] is [{ } bytes] ? bytes : null, Language = One(languages, row), Speaker = One(speakers, row),
                        Gender = SpeechRecording.KnownGender(One(genders, row)), Emotion = One(emotions, row),
                    });
                }
            }
            catch (EmovaException e)
            {
                defects.Add(DefectKind.BadRecord, $"{file}, row group {group}", e.Message);
            }

            foreach (SpeechRecording recording in recordings)
            {
                yield return recording;
            }
        }
    }

    private static IEnumerable<(string File, ParquetTable Table, int Group)> Groups(string path, DefectList defects)
    {
        foreach (string file in Files(path))
        {
            ParquetTable table;
            try
            {
                table = ParquetTable.Open(file);
            }
            catch (EmovaException e)
            {
                defects.Add(DefectKind.BadRecord, file, e.Message);
                continue;
            }

            using (table)
            {
                for (int group = 0; group < table.Groups; group++)
                {
                    yield return (file, table, group);
                }
            }
        }
    }

    private static List<(string Place, Func<DataSetExample> Read)> ConversationRows(ParquetTable table, int group, string file)
    {
        int rows = table.Rows(group);
        List<string?>[]? ids = Ids(table, group), languages = Optional(table, group, "language");
        List<byte[]?>[]? pictures = Bytes(table, "image") is { } bytes ? table.Bytes(group, bytes) : null;
        Func<int, IReadOnlyList<(string?, string?, bool)>> turns = Turns(table, group, file);
        return [.. Enumerable.Range(0, rows).Select(row =>
        {
            string place = $"{Path.GetFileName(file)}-{group}-{row}", id = One(ids, row) ?? place;
            return (place, (Func<DataSetExample>)(() =>
            {
                PictureReference? picture = pictures is not null && pictures[row] is [{ } content] ? new PictureReference(place, null, Bytes: content) : null;
                return ConversationRecord.Create(id, turns(row), picture, One(languages, row));
            }));
        })];
    }

    /// <summary>The turns of a row, in whichever of the usual shapes they are stored.</summary>
    private static Func<int, IReadOnlyList<(string?, string?, bool)>> Turns(ParquetTable table, int group, string file)
    {
        foreach (string name in (string[])["conversations", "messages"])
        {
            string[][] columns = [.. table.Columns.Where(c => c[0] == name)];
            if (columns is [[_] only])
            {
                List<string?>[] texts = table.Texts(group, only);
                return row => Parsed(One(texts, row), $"{file}, row {row}");
            }

            if (Part(columns, "from", "role") is { } from && Part(columns, "value", "content") is { } value)
            {
                List<string?>[] roles = table.Texts(group, from), values = table.Texts(group, value);
                return row => roles[row].Count == values[row].Count
                    ? [.. roles[row].Zip(values[row], (r, v) => (r, v, false))]
                    : throw new DefectException(DefectKind.BadRecord, $"row {row}: {roles[row].Count} speakers of {values[row].Count} turns");
            }
        }

        if (Find(table, "question") is { } question && (Find(table, "answer", "multiple_choice_answer") ?? Find(table, "answers")) is { } answer)
        {
            List<string?>[] questions = table.Texts(group, question), answers = table.Texts(group, answer);
            return row => [("human", QuestionPrompt.Of(One(questions, row)), false), ("gpt", QuestionPrompt.MostCommon(answers[row]), false)];
        }

        throw new EmovaException($"{file}: no column conversations, messages, or question with answer; it has {string.Join(", ", table.Columns.Select(c => string.Join('.', c)))}");

        static string[]? Part(string[][] columns, params string[] names) => columns.FirstOrDefault(c => c.Skip(1).Intersect(names).Any());
    }

    private static IReadOnlyList<(string?, string?, bool)> Parsed(string? json, string place)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json ?? "");
            return [.. document.RootElement.EnumerateArray().Select(turn => (Text(turn, "from") ?? Text(turn, "role"), Text(turn, "value") ?? Text(turn, "content"), false))];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DefectException(DefectKind.BadRecord, $"{place}: the conversation is no list of turns: {e.Message}");
        }

        static string? Text(JsonElement turn, string name) =>
            turn.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static DataSetExample? Listed(DefectList defects, string place, Func<DataSetExample> read)
    {
        try
        {
            return read();
        }
        catch (DefectException e)
        {
            defects.Add(place, e);
            return null;
        }
    }

    private static List<string?>[]? Ids(ParquetTable table, int group) => Find(table, "id", "question_id") is { } column
        ? table.IsText(column) ? table.Texts(group, column) : table.Numbers(group, column)
        : null;

    private static List<string?>[]? Optional(ParquetTable table, int group, params string[] names) =>
        Find(table, names) is { } column && table.IsText(column) ? table.Texts(group, column) : null;

    private static string? One(List<string?>[]? column, int row) => column is not null && column[row] is [var only] ? only : null;

    private static string[]? Bytes(ParquetTable table, string name) =>
        table.Columns.FirstOrDefault(c => c[0] == name && table.IsBytes(c) && (c.Length == 1 || c[^1] == "bytes"));

    private static string[]? Find(ParquetTable table, params string[] names) => names.Select(name => table.Columns.FirstOrDefault(c => c[0] == name)).FirstOrDefault(c => c is not null);
}
