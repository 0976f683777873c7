using System.Runtime.InteropServices;
using System.Text.Json;
using Emova.Media;

namespace Emova.Evaluation.Data;

/// <summary>One recording of the corpus, as listed in <c>speech/index.jsonl</c>.</summary>
public sealed record TestUtterance(
    string Id, string Text, string Voice, string Style, string Kind, string Split, string Shard, long Offset, int Samples, string[] Phones)
{
    /// <summary>The emotion of a style name such as <c>female-happy-high</c>.</summary>
    public string Emotion => Style.Split('-')[1];
}

/// <summary>What one side of a dialogue says, and how.</summary>
public sealed record TestRemark(string Text, string Emotion, string Pitch);

/// <summary>A question with its answer.</summary>
public sealed record TestTurn(TestRemark User, TestRemark Reply);

/// <summary>A conversation of the corpus; <see cref="Scene"/> is kept as it is written, the drawn picture lies in <c>pictures/</c>.</summary>
public sealed record TestDialogue(string Id, string Task, JsonElement? Scene, TestTurn[] Turns)
{
    public bool HasPicture => Scene is { ValueKind: JsonValueKind.Object };

    /// <summary>Whether an emoji is on the picture.</summary>
    public bool HasEmoji => HasPicture && Scene!.Value.GetProperty("objects").EnumerateArray().Any(o => o.TryGetProperty("glyph", out _));
}

/// <summary>Reads the corpus folder that <c>emova-train data</c> writes; only the files, none of the code that wrote them.</summary>
public sealed class TestCorpus
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private readonly ILookup<(string Kind, string Text), TestUtterance> _byText;

    private TestCorpus(string folder, TestUtterance[] utterances)
    {
        Folder = folder;
        Utterances = utterances;
        _byText = utterances.Where(u => u.Split == "test").ToLookup(u => (u.Kind, u.Text));
    }

    public string Folder { get; }

    /// <summary>Every recording.</summary>
    public IReadOnlyList<TestUtterance> Utterances { get; }

    /// <exception cref="EmovaException">The folder holds no finished corpus.</exception>
    public static TestCorpus Open(string folder)
    {
        string index = Path.Combine(folder, "speech", "index.jsonl");
        if (!File.Exists(index))
            throw new EmovaException($"{index}: not found; write the corpus with 'dotnet run -c Release --project src/Emova.Training -- data' or name its folder with --data");
        return new TestCorpus(folder, [.. ReadLines<TestUtterance>(index)]);
    }

    /// <summary>Conversations of one split.</summary>
    public IReadOnlyList<TestDialogue> Dialogues(string split) => [.. ReadLines<TestDialogue>(Path.Combine(Folder, "dialogue", split + ".jsonl"))];

    /// <summary>Test recordings of a sentence.</summary>
    public IReadOnlyList<TestUtterance> Saying(string text, string kind) => [.. _byText[(kind, text)]];

    /// <summary>Picture of a dialogue's scene in a drawing style: <c>test</c> (as in training) or <c>other</c>.</summary>
    public string PictureOf(TestDialogue dialogue, string drawing = "test") => Path.Combine(Folder, "pictures", drawing, dialogue.Id + ".png");

    /// <summary>The picture of a dialogue, or null when it has none.</summary>
    /// <exception cref="EmovaException">It was never drawn.</exception>
    public RgbImage? ReadPicture(TestDialogue dialogue, string drawing = "test")
    {
        if (!dialogue.HasPicture) return null;
        string path = PictureOf(dialogue, drawing);
        if (!File.Exists(path)) throw new EmovaException($"{path}: not found; draw the test pictures with 'emova-train scenes --count 2000 --out {Path.GetDirectoryName(path)}'");
        return ImageFile.Load(path);
    }

    /// <summary>Samples of a recording at 16 kHz, full scale 1.</summary>
    public float[] Read(TestUtterance utterance)
    {
        string path = Path.Combine(Folder, utterance.Shard);
        using FileStream stream = File.OpenRead(path);
        if (utterance.Offset + 2L * utterance.Samples > stream.Length)
            throw new EmovaException($"{path}: {stream.Length} bytes, but {utterance.Id} needs {utterance.Offset + 2L * utterance.Samples}");
        stream.Position = utterance.Offset;
        var bytes = new byte[2 * utterance.Samples];
        stream.ReadExactly(bytes);
        var samples = new float[utterance.Samples];
        ReadOnlySpan<short> pcm = MemoryMarshal.Cast<byte, short>(bytes);
        for (int i = 0; i < samples.Length; i++) samples[i] = pcm[i] / 32768f;
        return samples;
    }

    private static IEnumerable<T> ReadLines<T>(string path)
    {
        if (!File.Exists(path)) throw new EmovaException($"{path}: not found; the corpus is incomplete, run 'emova-train data' again");
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (line.Length == 0) continue;
            T? value;
            try
            {
                value = JsonSerializer.Deserialize<T>(line, Options);
            }
            catch (JsonException e)
            {
                throw new EmovaException($"{path}, line {number}: {e.Message.Split('\n')[0]}", e);
            }
            yield return value ?? throw new EmovaException($"{path}, line {number}: null");
        }
    }
}
