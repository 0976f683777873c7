using System.Text;
using System.Text.Json;
using Emova.Text;

namespace Emova.Tests.Text;

/// <summary>
/// A small but real tokenizer.json: all 256 bytes, a few merged words, the control tokens of Qwen2, some speech units and,
/// if asked for, the fixed phrases as single tokens the way EMOVA-Tiny has them.
/// </summary>
internal static class ToyTokenizer
{
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public static readonly string[] Phrases =
    [
        SpeechPrompts.Dialogue, SpeechPrompts.Transcribe, SpeechPrompts.Speak,
        "{\"user question text\": \"", "\", \"user question emotion\": \"", "\", \"user question pitch\": \"",
        "\", \"assistant response text\": \"", "\", \"assistant response emotion\": \"", "\", \"assistant response pitch\": \"",
        "\", \"assistant response speech\": \"", "\"}",
    ];

    public static readonly int[] SomeUnits = [0, 1, 9, 64, 585, 700, 1234, 2048, 3093, 4095];

    public static HuggingFaceTokenizer Create(bool phrases = true, IEnumerable<int>? units = null) =>
        HuggingFaceTokenizer.Parse(Json(phrases, units), "toy tokenizer.json");

    public static byte[] Json(bool phrases = true, IEnumerable<int>? units = null)
    {
        Dictionary<string, int> vocab = [];
        List<string> merges = [];
        for (int value = 0; value < 256; value++)
            vocab.Add(ByteLevelAlphabet.ToPiece([(byte)value]), vocab.Count);
        foreach (string word in (string[])[" the", "the", " a", " is", "what", "neutral", "happy", "surprised", "normal", " cat", "{\"", "\",", "\":", " \"", ".\"", "é"])
            AddWord(word, vocab, merges);

        List<object> added = [];
        int next = vocab.Count;
        foreach (string control in (string[])["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
            added.Add(new { id = next++, content = control, special = true, normalized = false });
        foreach (string phrase in phrases ? Phrases : [])
            added.Add(new { id = next++, content = phrase, special = false, normalized = false });
        // Out of numeric order, as in the released tokenizers.
        foreach (int unit in (units ?? SomeUnits).Reverse())
            added.Add(new { id = next++, content = SpeechVocabulary.ToText(unit), special = false, normalized = true, single_word = true });

        return JsonSerializer.SerializeToUtf8Bytes(new
        {
            version = "1.0",
            added_tokens = added,
            normalizer = new { type = "NFC" },
            pre_tokenizer = new
            {
                type = "Sequence",
                pretokenizers = new object[]
                {
                    new { type = "Split", pattern = new { Regex = Pattern }, behavior = "Isolated", invert = false },
                    new { type = "ByteLevel", add_prefix_space = false, trim_offsets = false, use_regex = false },
                },
            },
            post_processor = (object?)null,
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab, merges },
        });
    }

    /// <summary>Adds a word by merging its bytes from the left.</summary>
    private static void AddWord(string word, Dictionary<string, int> vocab, List<string> merges)
    {
        string piece = ByteLevelAlphabet.ToPiece(Encoding.UTF8.GetBytes(word));
        for (int length = 2; length <= piece.Length; length++)
        {
            if (vocab.TryAdd(piece[..length], vocab.Count))
                merges.Add($"{piece[..(length - 1)]} {piece[length - 1]}");
        }
    }
}
