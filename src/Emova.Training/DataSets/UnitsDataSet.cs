using System.Text.Json;
using Emova.Models.Speech;
using Emova.Text;
using Emova.Training.Data;

namespace Emova.Training.DataSets;

/// <summary>Recordings as units, each asked for both ways: speech to text and text to speech, in the words the model knows for it.</summary>
public sealed class UnitsDataSet : IExampleSource
{
    private readonly JsonRecords _records;
    private readonly SpeechTasks _tasks;

    /// <param name="path">folder that <c>emova-train units</c> wrote</param>
    /// <param name="tasks">what to ask</param>
    /// <exception cref="EmovaException">The folder is not complete.</exception>
    public UnitsDataSet(string path, SpeechTasks tasks)
    {
        (Path, _tasks) = (path, tasks);
        if (UnitShards.ReadInfo(path) is not { Complete: true } info)
        {
            throw new EmovaException($"{path}: the conversion has not finished; run emova-train units again to go on");
        }

        int shards = (info.Recordings + info.PerShard - 1) / info.PerShard;
        _records = new JsonRecords([.. Enumerable.Range(0, shards).Select(shard => UnitShards.PathOf(path, shard))]);
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <summary>All recordings.</summary>
    public IEnumerable<UnitRecording> Recordings(DefectList defects)
    {
        foreach (long record in _records.Scan(defects))
        {
            if (Listed(record, defects) is { } recording)
            {
                yield return recording;
            }
        }
    }

    /// <inheritdoc/>
    public IEnumerable<(long Key, DataSetExample Example)> Scan(DefectList defects)
    {
        string broken = System.IO.Path.Combine(Path, UnitShards.DefectsFile);
        foreach (Defect defect in File.Exists(broken) ? CorpusJson.ReadLines<Defect>(broken) : [])
        {
            defects.Add(Enum.Parse<DefectKind>(defect.Kind), defect.Item, defect.Reason, defect.Used);
        }

        foreach (long record in _records.Scan(defects))
        {
            if (Listed(record, defects) is not { } recording)
            {
                continue;
            }

            foreach (SpeechTasks task in (SpeechTasks[])[SpeechTasks.Transcribe, SpeechTasks.Speak])
            {
                if (_tasks == SpeechTasks.Both || _tasks == task)
                {
                    yield return ((2 * record) + (task == SpeechTasks.Speak ? 1 : 0), Example(recording, task));
                }
            }
        }
    }

    /// <inheritdoc/>
    public DataSetExample Read(long key) => Example(Parse(key / 2), key % 2 == 1 ? SpeechTasks.Speak : SpeechTasks.Transcribe);

    /// <inheritdoc/>
    public void Dispose() => _records.Dispose();

    private static DataSetExample Example(UnitRecording recording, SpeechTasks task)
    {
        string units = SpeechVocabulary.ToText(SpeechUnits.Collapse(recording.Units).Units);
        (string question, string answer) = task == SpeechTasks.Speak ? (SpeechPrompts.Speak + recording.Text, units) : (SpeechPrompts.Transcribe + units, recording.Text);
        return new DataSetExample(
            recording.Id, [new ConversationMessage(ConversationRole.User, question), new ConversationMessage(ConversationRole.Assistant, answer)], null, recording.Language);
    }

    private UnitRecording? Listed(long record, DefectList defects)
    {
        try
        {
            return Parse(record);
        }
        catch (DefectException e)
        {
            defects.Add(_records.PlaceOf(record), e);
            return null;
        }
    }

    private UnitRecording Parse(long record)
    {
        using JsonDocument document = _records.Read(record);
        UnitRecording? recording;
        try
        {
            recording = document.Deserialize<UnitRecording>(CorpusJson.Options);
        }
        catch (JsonException e)
        {
            throw new DefectException(DefectKind.BadRecord, e.Message);
        }

        return recording switch
        {
            { Units.Length: > 0, Text.Length: > 0, Id: not null } => recording,
            _ => throw new DefectException(DefectKind.BadRecord, "no units or no text"),
        };
    }
}
