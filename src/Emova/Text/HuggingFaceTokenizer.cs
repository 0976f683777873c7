using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Emova.Text;

/// <summary>
/// A byte-level BPE tokenizer read from a Hugging Face <c>tokenizer.json</c> (Qwen2, LLaMA-3 and EMOVA-Tiny files).
/// Added tokens are cut out first, longest match first, so that <c>&lt;|speech_12|&gt;</c> and whole fixed phrases are
/// single tokens; the text between them goes through the normalizer, the pre-tokenizer and the merges.
/// Instances are immutable and safe to share between threads.
/// </summary>
public sealed class HuggingFaceTokenizer : ITextEncoder
{
    private readonly BpeTokenizer _bpe;
    private readonly bool _normalizesToNfc;
    private readonly AddedTokenMatcher _rawMatcher;
    private readonly AddedTokenMatcher _normalizedMatcher;
    private readonly byte[]?[] _bytes;
    private readonly TokenKind[] _kinds;
    private readonly Dictionary<string, int> _ids;
    private readonly string _source;

    internal HuggingFaceTokenizer(TokenizerFile file)
    {
        RequireUnicodeNormalization();
        _source = file.Source;
        _normalizesToNfc = file.NormalizesToNfc;
        _bpe = file.CreateBpe();
        _rawMatcher = new AddedTokenMatcher(file.AddedTokens.Where(token => !token.Normalized));
        _normalizedMatcher = new AddedTokenMatcher(file.AddedTokens.Where(token => token.Normalized)
            .Select(token => token with { Content = Normalize(token.Content) }));

        VocabularySize = 1 + Math.Max(
            file.Vocabulary.Count == 0 ? -1 : file.Vocabulary.Values.Max(),
            file.AddedTokens.Count == 0 ? -1 : file.AddedTokens.Max(token => token.Id));
        _bytes = new byte[]?[VocabularySize];
        _kinds = new TokenKind[VocabularySize];
        _ids = new Dictionary<string, int>(file.Vocabulary.Count + file.AddedTokens.Count, StringComparer.Ordinal);
        foreach ((string piece, int id) in file.Vocabulary)
        {
            _bytes[id] = ByteLevelAlphabet.ToBytes(piece);
            _kinds[id] = TokenKind.Text;
            _ids[piece] = id;
        }

        foreach (AddedToken token in file.AddedTokens)
        {
            _bytes[token.Id] = Encoding.UTF8.GetBytes(token.Content);
            _kinds[token.Id] = token.Special ? TokenKind.Special : TokenKind.Added;
            _ids[token.Content] = token.Id;
        }

        BosTokenId = file.BosToken is { } bos ? FindToken(bos) : null;
    }

    /// <summary>One more than the largest token id. Ids without a token are possible below it.</summary>
    public int VocabularySize { get; }

    /// <summary>The token put in front of every encoded text, or null when the file's post-processor adds none (Qwen2).</summary>
    public int? BosTokenId { get; }

    /// <summary>The texts of all control tokens.</summary>
    public IEnumerable<string> SpecialTokens => _ids.Where(entry => KindOf(entry.Value) == TokenKind.Special).Select(entry => entry.Key);

    /// <summary>Reads <paramref name="path"/>.</summary>
    /// <exception cref="EmovaException">The file is missing, is not JSON, or describes a tokenizer that is not byte-level BPE.</exception>
    public static HuggingFaceTokenizer Load(string path) => new(TokenizerFile.Load(path));

    /// <summary>Reads a tokenizer from the bytes of a <c>tokenizer.json</c>; <paramref name="source"/> names it in errors.</summary>
    /// <exception cref="EmovaException">The bytes are not JSON or describe a tokenizer that is not byte-level BPE.</exception>
    public static HuggingFaceTokenizer Parse(ReadOnlyMemory<byte> json, string source) => new(TokenizerFile.Parse(json, source));

    /// <summary>The id of the token whose text is exactly <paramref name="content"/>, or null.</summary>
    public int? FindToken(string content) => _ids.TryGetValue(content, out int id) ? id : null;

    /// <summary>The id of a token that has to exist.</summary>
    /// <exception cref="EmovaException">The tokenizer has no such token.</exception>
    public int RequireToken(string content) =>
        FindToken(content) ?? throw new EmovaException($"{_source}: the tokenizer has no token '{content}'");

    /// <summary>Whether the id belongs to an ordinary piece, an added token, a special token, or to nothing.</summary>
    public TokenKind KindOf(int id) => (uint)id < (uint)_kinds.Length ? _kinds[id] : TokenKind.Unused;

    /// <summary>The bytes the token stands for (empty for an unused id). One token may hold a part of a UTF-8 character.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => (uint)id < (uint)_bytes.Length ? _bytes[id] : default;

    /// <summary>Encodes text, with the BOS token in front when the file asks for one.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> ids = [];
        if (BosTokenId is { } bos)
            ids.Add(bos);
        Encode(text, ids);
        return ids;
    }

    /// <summary>Appends the ids of <paramref name="text"/> to <paramref name="ids"/>, without BOS.</summary>
    public void Encode(string text, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(ids);
        _rawMatcher.Split(ReplaceLoneSurrogates(text), ids, (between, output) =>
            _normalizedMatcher.Split(Normalize(between), output, EncodePieces));
    }

    /// <summary>Decodes ids to text; bytes that are no valid UTF-8 become U+FFFD.</summary>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        IncrementalDecoder decoder = CreateDecoder(skipSpecialTokens);
        StringBuilder text = new();
        foreach (int id in ids)
            text.Append(decoder.Add(id));
        return text.Append(decoder.Flush()).ToString();
    }

    /// <summary>A decoder for a stream of ids; it holds back the bytes of an unfinished character.</summary>
    public IncrementalDecoder CreateDecoder(bool skipSpecialTokens = false) => new(this, skipSpecialTokens);

    private void EncodePieces(string text, List<int> ids)
    {
        try
        {
            ids.AddRange(_bpe.EncodeToIds(text, considerPreTokenization: true, considerNormalization: false));
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new EmovaException($"{_source}: the pre-tokenizer's pattern takes too long on this text", exception);
        }
    }

    private string Normalize(string text) => _normalizesToNfc ? text.Normalize(NormalizationForm.FormC) : text;

    /// <summary>string.Normalize throws on a surrogate without its partner; such text cannot be UTF-8 anyway.</summary>
    private static string ReplaceLoneSurrogates(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                i++;
            else
                return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
        }

        return text;
    }

    /// <summary>Without ICU, NFC is silently the identity and the model would see other token ids than in training.</summary>
    internal static void RequireUnicodeNormalization()
    {
        if ("e\u0301".Normalize(NormalizationForm.FormC) != "\u00e9")
            throw new EmovaException("Unicode normalization is not available: install the ICU library (libicu) and unset DOTNET_SYSTEM_GLOBALIZATION_INVARIANT");
    }
}
