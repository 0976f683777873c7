using System.Text;

namespace Emova.Text;

/// <summary>
/// Turns a stream of token ids into text. Byte-level tokens may end inside a UTF-8 character; such bytes are held back
/// until the character is complete, so that no replacement character flickers in streamed text.
/// </summary>
public sealed class IncrementalDecoder
{
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();
    private char[] _buffer = new char[256];

    internal IncrementalDecoder(HuggingFaceTokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
    }

    /// <summary>The text that <paramref name="id"/> completes; empty while a character is unfinished.</summary>
    public string Add(int id)
    {
        if (_skipSpecialTokens && _tokenizer.KindOf(id) == TokenKind.Special)
            return string.Empty;
        return Convert(_tokenizer.BytesOf(id), flush: false);
    }

    /// <summary>What is left at the end: U+FFFD when the last character was never finished, else empty.</summary>
    public string Flush() => Convert(default, flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        int needed = Encoding.UTF8.GetMaxCharCount(bytes.Length + 4);
        if (_buffer.Length < needed)
            _buffer = new char[needed];
        int count = _utf8.GetChars(bytes, _buffer, flush);
        return count == 0 ? string.Empty : new string(_buffer, 0, count);
    }
}
