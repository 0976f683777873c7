using Emova.Text;

namespace Emova.Fuzz.Targets;

/// <summary>tokenizer.json: loading, encoding and decoding.</summary>
public sealed class TokenizerTarget : IFuzzTarget
{
    public static string Name => "tokenizer";

    public static IReadOnlyList<byte[]> Seeds()
    {
        // Byte-level vocabulary: the printable stand-ins of all bytes, and a few merges.
        var bytes = Enumerable.Range(0, 256).Select(Symbol).ToList();
        string vocabulary = string.Join(',', bytes.Append("th").Append("the").Select((token, id) => $"{Quote(token)}:{id}"));
        string json = $$"""
            {"version":"1.0","truncation":null,"padding":null,
             "added_tokens":[{"id":258,"content":"<|im_end|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
                             {"id":259,"content":"<|speech_12|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":false}],
             "normalizer":{"type":"NFC"},
             "pre_tokenizer":{"type":"Sequence","pretokenizers":[
               {"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},
               {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},
             "post_processor":null,
             "decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false},
             "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,
               "vocab":{ {{vocabulary}} },"merges":["t h","th e"]} }
            """;
        return
        [
            System.Text.Encoding.UTF8.GetBytes(json),
            // A pattern with empty matches: splitting must still end.
            System.Text.Encoding.UTF8.GetBytes(json.Replace(" ?[^\\\\s\\\\p{L}\\\\p{N}]+", " ?[^\\\\s\\\\p{L}\\\\p{N}]*", StringComparison.Ordinal)),
        ];
    }

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Parse(data.ToArray(), "fuzz");
        tokenizer.Decode(tokenizer.Encode("the thé <|speech_12|> 12<|im_end|>\n"));
    }

    private static string Quote(string token) => System.Text.Json.JsonSerializer.Serialize(token);

    private static string Symbol(int value)
    {
        bool printable = value is >= 33 and <= 126 or >= 161 and <= 172 or >= 174;
        if (printable) return ((char)value).ToString();
        int rank = Enumerable.Range(0, value).Count(b => !(b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174));
        return ((char)(256 + rank)).ToString();
    }
}
