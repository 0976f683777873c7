using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Text;

namespace Emova.Training.Data;

/// <summary>A Hugging Face <c>tokenizer.json</c> that training writes and later adds speech units to.</summary>
public sealed class TokenizerFile
{
    private static readonly JsonSerializerOptions Indented = new(CorpusJson.Options) { WriteIndented = true };

    private readonly JsonObject _root;

    private TokenizerFile(JsonObject root) => _root = root;

    /// <summary>Special tokens of the chat format, then the phrases of EMOVA's prompts and replies, which are one token each.</summary>
    public static IReadOnlyList<(string Content, bool Special)> AddedTokens { get; } =
    [
        ("<|endoftext|>", true), ("<|im_start|>", true), ("<|im_end|>", true), ("<image>", true),
        (SpeechPrompts.Dialogue, false), (SpeechPrompts.Transcribe, false), (SpeechPrompts.Speak, false),
        ($"{{\"{ReplyFormat.Keys[0]}\": \"", false),
        .. ReplyFormat.Keys.Skip(1).Select(key => ($"\", \"{key}\": \"", false)),
        ("\"}", false),
    ];

    /// <summary>One more than the largest token id.</summary>
    public int VocabularySize => Math.Max(
        Model["vocab"]!.AsObject().Max(entry => entry.Value!.GetValue<int>()),
        Added.Max(token => token!["id"]!.GetValue<int>())) + 1;

    private JsonObject Model => _root["model"]!.AsObject();

    private JsonArray Added => _root["added_tokens"]!.AsArray();

    /// <summary>Trains the text vocabulary on weighted texts and adds the fixed tokens after it.</summary>
    public static TokenizerFile Train(IEnumerable<(string Text, long Weight)> texts, int entries)
    {
        (List<string> vocabulary, List<(string Left, string Right)> merges) = ByteLevelBpeTrainer.Train(texts, entries);
        var vocab = new JsonObject();
        foreach (string piece in vocabulary)
            vocab[piece] = vocab.Count;
        var added = new JsonArray();
        foreach ((string content, bool special) in AddedTokens)
            added.Add(AddedToken(vocabulary.Count + added.Count, content, special));
        return new TokenizerFile(new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(
                    new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = ByteLevelBpeTrainer.Pattern }, ["behavior"] = "Isolated", ["invert"] = false },
                    ByteLevel()),
            },
            ["post_processor"] = ByteLevel(),
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = "",
                ["end_of_word_suffix"] = "",
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. merges.Select(m => (JsonNode)$"{m.Left} {m.Right}")]),
            },
        });
    }

    public static TokenizerFile Load(string path)
    {
        if (!File.Exists(path))
            throw new EmovaException($"{path}: not found; run 'emova-train data' first");
        return new TokenizerFile(JsonNode.Parse(File.ReadAllText(path))!.AsObject());
    }

    /// <summary>A copy with one token <c>&lt;|speech_N|&gt;</c> for each unit, numbered on from the last token in the order given.</summary>
    public TokenizerFile WithUnits(IEnumerable<int> units)
    {
        var copy = new TokenizerFile(_root.DeepClone().AsObject());
        int next = VocabularySize;
        var present = Added.Select(token => token!["content"]!.GetValue<string>()).ToHashSet();
        foreach (int unit in units)
        {
            string content = SpeechVocabulary.ToText(unit);
            if (present.Add(content))
                copy.Added.Add(AddedToken(next++, content, special: false));
        }
        return copy;
    }

    /// <summary>Writes the file (temporary file, then rename).</summary>
    public void Save(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllText(path + ".tmp", _root.ToJsonString(Indented) + "\n");
        File.Move(path + ".tmp", path, overwrite: true);
    }

    private static JsonObject AddedToken(int id, string content, bool special) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = special,
    };

    private static JsonObject ByteLevel() => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = false,
        ["trim_offsets"] = false,
        ["use_regex"] = false,
    };
}
