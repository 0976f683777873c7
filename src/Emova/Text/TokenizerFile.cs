using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Emova.Text;

/// <summary>The parts of a <c>tokenizer.json</c> that matter here, checked: whatever is inside, reading ends with a result or an <see cref="EmovaException"/>.</summary>
internal sealed class TokenizerFile
{
    private const long MaxFileBytes = 256L << 20;
    private const int MaxTokenId = (1 << 20) - 1;
    private const string DefaultPattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>A hostile pattern may need exponential time; ordinary ones need microseconds.</summary>
    private static readonly TimeSpan PatternTimeout = TimeSpan.FromSeconds(2);

    private readonly JsonElement _root;

    private TokenizerFile(JsonElement root, string source)
    {
        _root = root;
        Source = source;
        JsonElement model = Require(root, "model", JsonValueKind.Object);
        if (model.TryGetProperty("type", out JsonElement type) && !(type.ValueKind == JsonValueKind.String && type.ValueEquals("BPE")))
            throw Error($"model.type is {Describe(type)}, only \"BPE\" is supported");
        Vocabulary = ReadVocabulary(Require(model, "vocab", JsonValueKind.Object));
        Merges = ReadMerges(Require(model, "merges", JsonValueKind.Array));
        AddedTokens = root.TryGetProperty("added_tokens", out JsonElement added) && added.ValueKind != JsonValueKind.Null
            ? ReadAddedTokens(added) : [];
        NormalizesToNfc = ReadNormalizer();
        Pattern = ReadPattern();
        BosToken = ReadBosToken();
    }

    public string Source { get; }

    public Dictionary<string, int> Vocabulary { get; }

    public List<string> Merges { get; }

    public List<AddedToken> AddedTokens { get; }

    public bool NormalizesToNfc { get; }

    public string Pattern { get; }

    public string? BosToken { get; }

    public static TokenizerFile Load(string path)
    {
        try
        {
            FileInfo info = new(path);
            if (!info.Exists)
                throw new EmovaException($"{path}: no such file");
            if (info.Length > MaxFileBytes)
                throw new EmovaException($"{path}: {info.Length} bytes is too large for a tokenizer.json (limit {MaxFileBytes})");
            return Parse(File.ReadAllBytes(path), path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"{path}: cannot be read: {exception.Message}", exception);
        }
    }

    public static TokenizerFile Parse(ReadOnlyMemory<byte> json, string source)
    {
        if (json.Span.StartsWith("\uFEFF"u8))
            json = json[3..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return new TokenizerFile(document.RootElement.Clone(), source);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string with half a surrogate pair.
            throw new EmovaException($"{source}: not a tokenizer.json: {OneLine(exception.Message)}", exception);
        }
    }

    public BpeTokenizer CreateBpe()
    {
        try
        {
            Regex pattern = new(Pattern, RegexOptions.Compiled | RegexOptions.CultureInvariant, PatternTimeout);
            return BpeTokenizer.Create(new BpeOptions(Vocabulary)
            {
                Merges = Merges,
                ByteLevel = true,
                PreTokenizer = new RegexSplitter(pattern),
            });
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or KeyNotFoundException
            or FormatException or IndexOutOfRangeException or NotSupportedException)
        {
            throw new EmovaException($"{Source}: the vocabulary, merges or pre-tokenizer do not fit together: {OneLine(exception.Message)}", exception);
        }
    }

    private Dictionary<string, int> ReadVocabulary(JsonElement vocab)
    {
        Dictionary<string, int> vocabulary = new(StringComparer.Ordinal);
        HashSet<int> seen = [];
        foreach (JsonProperty entry in vocab.EnumerateObject())
        {
            int id = ReadId(entry.Value, $"model.vocab[\"{entry.Name}\"]");
            if (entry.Name.Length == 0)
                throw Error("model.vocab has an empty entry");
            if (!seen.Add(id) || !vocabulary.TryAdd(entry.Name, id))
                throw Error($"model.vocab names the entry \"{entry.Name}\" or its id {id} twice");
        }

        return vocabulary.Count > 0 ? vocabulary : throw Error("model.vocab is empty");
    }

    private List<string> ReadMerges(JsonElement array)
    {
        List<string> merges = new(array.GetArrayLength());
        foreach (JsonElement merge in array.EnumerateArray())
        {
            string? line = merge.ValueKind switch
            {
                JsonValueKind.String => merge.GetString(),
                JsonValueKind.Array when merge.GetArrayLength() == 2 && merge[0].ValueKind == JsonValueKind.String
                    && merge[1].ValueKind == JsonValueKind.String => $"{merge[0].GetString()} {merge[1].GetString()}",
                _ => null,
            };
            int space = line?.IndexOf(' ', StringComparison.Ordinal) ?? -1;
            if (space <= 0 || space == line!.Length - 1 || line.LastIndexOf(' ') != space)
                throw Error($"model.merges[{merges.Count}] is {Describe(merge)}, expected two pieces");
            foreach (string piece in (ReadOnlySpan<string>)[line[..space], line[(space + 1)..], line.Remove(space, 1)])
            {
                if (!Vocabulary.ContainsKey(piece))
                    throw Error($"model.merges[{merges.Count}] needs the piece \"{piece}\", which model.vocab lacks");
            }

            merges.Add(line);
        }

        return merges;
    }

    private List<AddedToken> ReadAddedTokens(JsonElement array)
    {
        if (array.ValueKind != JsonValueKind.Array)
            throw Error("added_tokens is not an array");
        List<AddedToken> tokens = new(array.GetArrayLength());
        HashSet<int> ids = [];
        HashSet<int> vocabularyIds = [.. Vocabulary.Values];
        foreach (JsonElement entry in array.EnumerateArray())
        {
            string name = $"added_tokens[{tokens.Count}]";
            if (entry.ValueKind != JsonValueKind.Object)
                throw Error($"{name} is not an object");
            string content = Require(entry, "content", JsonValueKind.String).GetString()!;
            int id = ReadId(Require(entry, "id", JsonValueKind.Number), name + ".id");
            if (content.Length == 0)
                throw Error($"{name}.content is empty");
            if (!ids.Add(id))
                throw Error($"{name}: the id {id} is taken twice");
            if (Vocabulary.TryGetValue(content, out int known) ? known != id : vocabularyIds.Contains(id))
                throw Error($"{name}: \"{content}\" and model.vocab disagree about the id {id}");
            bool special = Flag(entry, "special", false);
            tokens.Add(new AddedToken(content, id, special, Flag(entry, "single_word", false),
                Flag(entry, "lstrip", false), Flag(entry, "rstrip", false), Flag(entry, "normalized", !special)));
        }

        return tokens;
    }

    private bool ReadNormalizer()
    {
        bool nfc = false;
        foreach (JsonElement step in Steps("normalizer", "normalizers"))
        {
            switch (TypeOf(step))
            {
                case "NFC":
                    nfc = true;
                    break;
                case var other:
                    throw Error($"normalizer \"{other}\" is not supported (only NFC)");
            }
        }

        return nfc;
    }

    private string ReadPattern()
    {
        string? pattern = null;
        bool byteLevel = false;
        foreach (JsonElement step in Steps("pre_tokenizer", "pretokenizers"))
        {
            switch (TypeOf(step))
            {
                case "Split" when step.TryGetProperty("pattern", out JsonElement text) && text.ValueKind == JsonValueKind.Object
                    && text.TryGetProperty("Regex", out JsonElement regex) && regex.ValueKind == JsonValueKind.String
                    && !Flag(step, "invert", false) && pattern is null:
                    pattern = regex.GetString();
                    break;
                case "ByteLevel" when !Flag(step, "add_prefix_space", false):
                    byteLevel = true;
                    if (Flag(step, "use_regex", true))
                        pattern ??= DefaultPattern;
                    break;
                case var other:
                    throw Error($"pre_tokenizer step \"{other}\" is not supported in this form (one regex Split and ByteLevel without prefix space)");
            }
        }

        if (!byteLevel)
            throw Error("pre_tokenizer has no ByteLevel step: only byte-level tokenizers are supported");
        return pattern ?? @"[\s\S]+";
    }

    /// <summary>LLaMA-3 files add BOS by a TemplateProcessing post-processor whose "single" begins with a special token.</summary>
    private string? ReadBosToken()
    {
        foreach (JsonElement step in Steps("post_processor", "processors"))
        {
            if (TypeOf(step) == "TemplateProcessing" && step.TryGetProperty("single", out JsonElement single)
                && single.ValueKind == JsonValueKind.Array && single.GetArrayLength() > 0
                && single[0].ValueKind == JsonValueKind.Object && single[0].TryGetProperty("SpecialToken", out JsonElement special)
                && special.ValueKind == JsonValueKind.Object && special.TryGetProperty("id", out JsonElement id)
                && id.ValueKind == JsonValueKind.String)
                return id.GetString();
        }

        return null;
    }

    /// <summary>The steps of a section that may be absent, null, one step, or a Sequence of steps.</summary>
    private IEnumerable<JsonElement> Steps(string section, string list)
    {
        if (!_root.TryGetProperty(section, out JsonElement step) || step.ValueKind == JsonValueKind.Null)
            return [];
        if (step.ValueKind != JsonValueKind.Object)
            throw Error($"{section} is not an object");
        if (TypeOf(step) != "Sequence")
            return [step];
        List<JsonElement> steps = [.. Require(step, list, JsonValueKind.Array).EnumerateArray()];
        return steps.TrueForAll(part => part.ValueKind == JsonValueKind.Object) ? steps : throw Error($"{section}.{list} holds something else than objects");
    }

    private JsonElement Require(JsonElement parent, string name, JsonValueKind kind) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == kind
            ? value : throw Error($"\"{name}\" is missing or no {kind.ToString().ToLowerInvariant()}");

    private int ReadId(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id is >= 0 and <= MaxTokenId
            ? id : throw Error($"{name} is {Describe(value)}, expected a token id from 0 to {MaxTokenId}");

    private bool Flag(JsonElement parent, string name, bool missing) =>
        !parent.TryGetProperty(name, out JsonElement value) ? missing
            : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
            : throw Error($"\"{name}\" is {Describe(value)}, expected true or false");

    private static string TypeOf(JsonElement step) =>
        step.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String ? type.GetString()! : "without type";

    private static string Describe(JsonElement value)
    {
        string text = OneLine(value.GetRawText());
        return text.Length <= 60 ? text : text[..60] + "…";
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");

    private EmovaException Error(string reason) => new($"{Source}: {OneLine(reason)}");
}
