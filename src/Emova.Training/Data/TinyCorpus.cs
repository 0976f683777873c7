using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Emova.Training.Data;

/// <summary>Reader of a corpus folder written by <c>emova-train data</c>. Thread-safe; shards stay memory-mapped until disposal.</summary>
public sealed class TinyCorpus : IDisposable
{
    public const int SampleRate = 16000;

    /// <summary>File of the training conversations that are not spoken, in the folder of the dialogues.</summary>
    public const string TypedFile = "train-typed.jsonl";

    private readonly Dictionary<string, Shard> _shards = [];
    private readonly Dictionary<string, JsonLines<Dialogue>> _dialogues = [];
    private readonly Dictionary<(string Kind, string Split, string Text), List<Utterance>> _byText = [];
    private readonly Dictionary<string, Utterance> _byId = [];
    private readonly Lock _lock = new();

    private TinyCorpus(string folder, List<Utterance> utterances)
    {
        Folder = folder;
        Utterances = utterances;
        foreach (Utterance u in utterances)
        {
            _byId[u.Id] = u;
            var key = (u.Kind, u.Split, u.Text);
            if (!_byText.TryGetValue(key, out List<Utterance>? list))
                _byText[key] = list = [];
            list.Add(u);
        }
        Phones = [.. utterances.SelectMany(u => u.Phones).Distinct().Order(StringComparer.Ordinal)];
    }

    public string Folder { get; }

    /// <summary>Every utterance, in the order of <c>speech/index.jsonl</c>.</summary>
    public IReadOnlyList<Utterance> Utterances { get; }

    /// <summary>All phones that occur, sorted; CTC label 0 is the blank, so phone i is label i + 1.</summary>
    public IReadOnlyList<string> Phones { get; }

    /// <summary>The picturable concepts of <c>concepts.json</c>.</summary>
    public IReadOnlyList<Concept> Concepts => field ??= ReadConcepts();

    /// <summary>All words of all splits, sorted.</summary>
    public IReadOnlyList<string> Vocabulary => field ??= File.ReadAllLines(Path.Combine(Folder, "vocabulary.txt"));

    /// <summary>Decides what is held out, by the seed in <c>corpus.json</c>.</summary>
    public SplitRule Rule => field ??= SplitRule.Of(ReadSeed());

    /// <summary>Opens the corpus in <paramref name="folder"/>; fails if it is missing or rendering has not finished.</summary>
    public static TinyCorpus Open(string folder)
    {
        string index = Path.Combine(folder, "speech", "index.jsonl");
        return new TinyCorpus(folder, [.. CorpusJson.ReadLines<Utterance>(index).Select(Shared)]);
    }

    /// <summary>The same utterance with one copy of every string that many have: a million small objects less to collect around.</summary>
    private static Utterance Shared(Utterance u) => u with
    {
        Voice = string.Intern(u.Voice), Style = string.Intern(u.Style), Kind = string.Intern(u.Kind), Split = string.Intern(u.Split),
        Shard = string.Intern(u.Shard), Phones = [.. u.Phones.Select(string.Intern)],
    };

    /// <summary>Dialogues of train, validation or test.</summary>
    public IReadOnlyList<Dialogue> Dialogues(string split) => Read(split + ".jsonl");

    /// <summary>The same and, for training, the conversations about pictures that are only typed.</summary>
    public IReadOnlyList<Dialogue> TypedDialogues(string split) =>
        split == SplitRule.Train && File.Exists(Path.Combine(Folder, "dialogue", TypedFile)) ? Read(split + ".jsonl", TypedFile) : Dialogues(split);

    private JsonLines<Dialogue> Read(params string[] files)
    {
        lock (_lock)
        {
            string key = string.Join('+', files);
            return _dialogues.TryGetValue(key, out JsonLines<Dialogue>? known)
                ? known
                : _dialogues[key] = new JsonLines<Dialogue>([.. files.Select(file => Path.Combine(Folder, "dialogue", file))]);
        }
    }

    public Utterance Find(string id) => _byId.TryGetValue(id, out Utterance? u)
        ? u
        : throw new KeyNotFoundException($"{Folder}: no utterance '{id}'");

    /// <summary>Utterances of one kind and split that say exactly <paramref name="text"/>; empty where there are none.</summary>
    public IReadOnlyList<Utterance> Saying(string text, string kind, string split) =>
        _byText.TryGetValue((kind, split, text), out List<Utterance>? list) ? list : [];

    /// <summary>Samples of an utterance, mapped from its shard. Valid until the corpus is disposed.</summary>
    public ReadOnlySpan<short> Pcm(Utterance utterance)
    {
        Shard shard;
        lock (_lock)
        {
            if (!_shards.TryGetValue(utterance.Shard, out shard!))
                _shards[utterance.Shard] = shard = new Shard(Path.Combine(Folder, utterance.Shard));
        }
        return shard.Read(utterance.Offset, utterance.Samples);
    }

    public void Dispose()
    {
        foreach (Shard shard in _shards.Values)
            shard.Dispose();
        _shards.Clear();
    }

    private int ReadSeed()
    {
        string path = Path.Combine(Folder, "corpus.json");
        using JsonDocument summary = JsonDocument.Parse(File.Exists(path) ? File.ReadAllText(path) : throw CorpusJson.Missing(path));
        return summary.RootElement.GetProperty("seed").GetInt32();
    }

    private Concept[] ReadConcepts() =>
        JsonSerializer.Deserialize<Concept[]>(File.ReadAllText(Path.Combine(Folder, "concepts.json")), CorpusJson.Options) ?? [];

    private sealed unsafe class Shard : IDisposable
    {
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;
        private readonly byte* _data;
        private readonly long _length;
        private readonly string _path;

        public Shard(string path)
        {
            _path = path;
            // Not FileInfo.Length, which is that of the link where the corpus is linked from elsewhere.
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            _length = stream.Length;
            _file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            _view = _file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _data);
            _data += _view.PointerOffset;
        }

        public ReadOnlySpan<short> Read(long offset, int samples)
        {
            if (offset < 0 || offset + (samples * 2L) > _length)
                throw new InvalidDataException($"{_path}: samples at {offset} lie outside the file of {_length} bytes");
            return MemoryMarshal.Cast<byte, short>(new ReadOnlySpan<byte>(_data + offset, samples * 2));
        }

        public void Dispose()
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }
}
