using System.Text.Json;

namespace Emova.Training.DataSets;

/// <summary>The recordings of a speech corpus in the order of its files, so that the same corpus always gives the same list.</summary>
public static class SpeechCorpus
{
    private static readonly string[] AudioEndings = [".wav", ".flac", ".mp3", ".ogg", ".opus"];

    /// <summary>All recordings of a corpus; what is wrong with the lists themselves goes to <paramref name="defects"/>.</summary>
    /// <param name="path">folder (or, for Common Voice, one of its .tsv files; for Parquet, a file)</param>
    /// <param name="format">a speech format of <see cref="DataSetFormat"/></param>
    /// <param name="defects">receives what is wrong</param>
    /// <exception cref="EmovaException">The folder is not such a corpus.</exception>
    public static IEnumerable<SpeechRecording> Recordings(string path, string format, DefectList defects) => Unique(
        format switch
        {
            DataSetFormat.LibriSpeech => LibriSpeech(path, defects),
            DataSetFormat.CommonVoice => CommonVoice(path, defects),
            DataSetFormat.SpeechFolder => Folder(path, defects),
            DataSetFormat.Parquet => ParquetRecords.Recordings(path, defects),
            _ => throw new EmovaException($"{path}: '{format}' is no format of recordings"),
        }, defects);

    /// <summary>Units are found by id: of several recordings with one id the first stays.</summary>
    private static IEnumerable<SpeechRecording> Unique(IEnumerable<SpeechRecording> recordings, DefectList defects)
    {
        HashSet<string> known = new(StringComparer.Ordinal);
        foreach (SpeechRecording recording in recordings)
        {
            if (known.Add(recording.Id))
            {
                yield return recording;
            }
            else
            {
                defects.Add(DefectKind.DuplicateId, $"{recording.Id} ({recording.Path ?? "embedded"})", "an earlier recording has this id");
            }
        }
    }

    /// <summary>
    /// LibriSpeech: <c>SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt</c> with a line <c>ID TEXT</c> per <c>ID.flac</c>; <c>SPEAKERS.TXT</c> above.
    /// Its transcripts are in capitals throughout, which is how nobody writes: they are taken in small letters.
    /// </summary>
    private static IEnumerable<SpeechRecording> LibriSpeech(string path, DefectList defects)
    {
        string[] lists = [.. Directory.EnumerateFiles(path, "*.trans.txt", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        if (lists.Length == 0)
        {
            throw new EmovaException($"{path}: no *.trans.txt below this folder; that is not LibriSpeech");
        }

        Dictionary<string, string?> genders = Speakers(path);
        foreach (string list in lists)
        {
            string folder = Path.GetDirectoryName(list)!;
            HashSet<string> untold = [.. Directory.EnumerateFiles(folder, "*.flac").Select(f => Path.GetFileNameWithoutExtension(f)!)];
            foreach (string line in File.ReadLines(list).Where(l => !string.IsNullOrWhiteSpace(l)))
            {
                string[] parts = line.Trim().Split(' ', 2);
                untold.Remove(parts[0]);
                string speaker = parts[0].Split('-')[0], flac = Path.Combine(folder, parts[0] + ".flac"), wav = Path.ChangeExtension(flac, ".wav");
                yield return new SpeechRecording(parts[0], parts.Length > 1 ? parts[1].Trim().ToLowerInvariant() : "", File.Exists(flac) || !File.Exists(wav) ? flac : wav)
                {
                    Language = "en", Speaker = speaker, Gender = genders.GetValueOrDefault(speaker),
                };
            }

            foreach (string id in untold.Order(StringComparer.Ordinal))
            {
                defects.Add(DefectKind.EmptyText, id, $"{list} has no line for it");
            }
        }
    }

    private static Dictionary<string, string?> Speakers(string path)
    {
        Dictionary<string, string?> genders = [];
        for (DirectoryInfo? folder = new(Path.GetFullPath(path)); folder is not null && genders.Count == 0; folder = folder.Parent)
        {
            string list = Path.Combine(folder.FullName, "SPEAKERS.TXT");
            if (!File.Exists(list))
            {
                continue;
            }

            foreach (string[] cells in File.ReadLines(list).Where(l => !l.StartsWith(';')).Select(l => l.Split('|')).Where(c => c.Length > 1))
            {
                genders[cells[0].Trim()] = SpeechRecording.KnownGender(cells[1]);
            }
        }

        return genders;
    }

    /// <summary>Common Voice: <c>validated.tsv</c> (or the file given) with columns path and sentence, recordings in <c>clips/</c>.</summary>
    private static IEnumerable<SpeechRecording> CommonVoice(string path, DefectList defects)
    {
        string list = Directory.Exists(path) ? Path.Combine(path, "validated.tsv") : path;
        if (!File.Exists(list))
        {
            throw new EmovaException($"{list}: not found; give one of the .tsv files of Common Voice as the path");
        }

        string clips = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(list))!, "clips");
        using IEnumerator<string> lines = File.ReadLines(list).GetEnumerator();
        string[] names = lines.MoveNext() ? lines.Current.TrimStart('\uFEFF').Split('\t') : [];
        int file = Array.IndexOf(names, "path"), sentence = Array.IndexOf(names, "sentence");
        if (file < 0 || sentence < 0)
        {
            throw new EmovaException($"{list}: no columns path and sentence in its first line");
        }

        for (int number = 2; lines.MoveNext(); number++)
        {
            string[] cells = lines.Current.Split('\t');
            if (cells.Length != names.Length)
            {
                defects.Add(DefectKind.BadRecord, $"{list}, line {number}", $"{cells.Length} columns instead of {names.Length}");
                continue;
            }

            string? Cell(string name) => Array.IndexOf(names, name) is >= 0 and int i && cells[i].Length > 0 ? cells[i] : null;
            yield return new SpeechRecording(Path.GetFileNameWithoutExtension(cells[file]), cells[sentence].Trim(), Path.Combine(clips, Path.GetFileName(cells[file])))
            {
                Language = Cell("locale"), Speaker = Cell("client_id"), Gender = SpeechRecording.KnownGender(Cell("gender")),
            };
        }
    }

    /// <summary>
    /// A plain folder: <c>metadata.jsonl</c> or another manifest (<c>file_name</c> or <c>audio_filepath</c>, <c>text</c>), <c>metadata.csv</c> in the form
    /// of LJSpeech (<c>id|text|normalized text</c>, recordings in <c>wavs/</c>), or a <c>.txt</c> file beside each recording.
    /// </summary>
    private static IEnumerable<SpeechRecording> Folder(string path, DefectList defects)
    {
        string table = Path.Combine(path, "metadata.csv");
        string[] manifests = [.. Directory.EnumerateFiles(path, "*.jsonl").Order(StringComparer.Ordinal)];
        return manifests.Length > 0 ? Manifest(path, manifests, defects) : File.Exists(table) ? LjSpeech(path, table, defects) : Beside(path);
    }

    private static IEnumerable<SpeechRecording> Manifest(string path, string[] files, DefectList defects)
    {
        using JsonRecords records = new(files);
        foreach (long key in records.Scan(defects))
        {
            SpeechRecording recording;
            try
            {
                using JsonDocument document = records.Read(key);
                string? Text(params string[] names) => names
                    .Select(name => document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(name, out JsonElement value)
                        && value.ValueKind == JsonValueKind.String ? value.GetString() : null)
                    .FirstOrDefault(value => value is not null);
                string file = Text("file_name", "audio_filepath", "audio", "path") ?? throw new DefectException(DefectKind.BadRecord, "no file_name or audio_filepath");
                recording = new SpeechRecording(
                    ConversationRecord.IdOf(document.RootElement) ?? Path.GetFileNameWithoutExtension(file),
                    Text("text", "transcription", "sentence") ?? "", Path.Combine(path, file))
                {
                    Language = Text("language", "locale"), Speaker = Text("speaker", "speaker_id"), Gender = SpeechRecording.KnownGender(Text("gender")), Emotion = Text("emotion", "style"),
                };
            }
            catch (Exception e) when (e is DefectException or InvalidOperationException)
            {
                defects.Add(DefectKind.BadRecord, records.PlaceOf(key), e.Message);
                continue;
            }

            yield return recording;
        }
    }

    private static IEnumerable<SpeechRecording> LjSpeech(string path, string table, DefectList defects)
    {
        int number = 0;
        foreach (string line in File.ReadLines(table))
        {
            number++;
            string[] cells = line.Split('|');
            if (cells.Length < 2)
            {
                defects.Add(DefectKind.BadRecord, $"{table}, line {number}", "expected id|text or id|text|normalized text");
                continue;
            }

            yield return new SpeechRecording(cells[0], cells[^1].Trim(), Path.Combine(path, "wavs", Path.GetFileName(cells[0]) + ".wav"));
        }
    }

    private static IEnumerable<SpeechRecording> Beside(string path) => Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
        .Where(f => AudioEndings.Contains(Path.GetExtension(f).ToLowerInvariant()))
        .Order(StringComparer.Ordinal)
        .Select(f => new SpeechRecording(
            Path.ChangeExtension(Path.GetRelativePath(path, f), null), Path.ChangeExtension(f, ".txt") is var text && File.Exists(text) ? File.ReadAllText(text).Trim() : "", f));
}
