using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

public sealed class HuggingFaceTokenizerTests
{
    private static readonly HuggingFaceTokenizer Tokenizer = ToyTokenizer.Create();

    [Theory]
    [InlineData("the cat", new[] { "the", " cat" })]
    [InlineData("what is the cat", new[] { "what", " is", " the", " cat" })]
    [InlineData("a<|im_end|>\nthe", new[] { "a", "<|im_end|>", "\n", "the" })]
    [InlineData("\"<|speech_9|><|speech_4095|>\"", new[] { "\"", "<|speech_9|>", "<|speech_4095|>", "\"" })]
    public void Encode_Text_GivesTheExpectedPieces(string text, string[] pieces)
    {
        string[] actual = [.. Tokenizer.Encode(text).Select(id => Encoding.UTF8.GetString(Tokenizer.BytesOf(id)))];
        Assert.Equal(pieces, actual);
    }

    [Fact]
    public void Encode_FixedPhrases_AreOneTokenEach_LongestFirst()
    {
        foreach (string phrase in ToyTokenizer.Phrases)
            Assert.Equal(Tokenizer.RequireToken(phrase), Assert.Single(Tokenizer.Encode(phrase)));

        // '", "assistant response speech": "' begins with the same characters as shorter pieces and must still win.
        string reply = ReplyFormat.Write("the", "neutral", "normal", " cat", "happy", "high", "<|speech_0|>");
        string[] pieces = [.. Tokenizer.Encode(reply).Select(id => Encoding.UTF8.GetString(Tokenizer.BytesOf(id)))];
        Assert.Equal("{\"user question text\": \"", pieces[0]);
        Assert.Equal("\"}", pieces[^1]);
        Assert.Equal("<|speech_0|>", pieces[^2]);
        Assert.Equal("\", \"assistant response speech\": \"", pieces[^3]);
        Assert.Equal(reply, Tokenizer.Decode(Tokenizer.Encode(reply)));
    }

    [Fact]
    public void Encode_SingleWordToken_NeedsFreeNeighbors()
    {
        int unit = Tokenizer.RequireToken("<|speech_1|>");
        Assert.Contains(unit, Tokenizer.Encode("speech:<|speech_1|>"));
        Assert.DoesNotContain(unit, Tokenizer.Encode("speech<|speech_1|>"));
        Assert.DoesNotContain(unit, Tokenizer.Encode("<|speech_1|>好"));
    }

    [Fact]
    public void Encode_DecomposedCharacter_IsNormalizedToNfc() =>
        Assert.Equal(Tokenizer.Encode("caf\u00e9"), Tokenizer.Encode("cafe\u0301"));

    [Fact]
    public void Encode_LoneSurrogate_BecomesReplacementCharacter() =>
        Assert.Equal("a\uFFFDb", Tokenizer.Decode(Tokenizer.Encode("a\ud800b")));

    [Fact]
    public void Decode_AnyNormalizedText_RoundTrips() =>
        Gen.String.Sample(text =>
        {
            string clean = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)).Normalize(NormalizationForm.FormC);
            return Tokenizer.Decode(Tokenizer.Encode(clean)) == clean;
        }, iter: 500);

    [Fact]
    public void Decoder_PartialCharacter_IsHeldBack()
    {
        IncrementalDecoder decoder = Tokenizer.CreateDecoder();
        IReadOnlyList<int> ids = Tokenizer.Encode("好!");
        string[] steps = [.. ids.Select(decoder.Add)];
        Assert.Equal(["", "", "好", "!"], steps);
        Assert.Equal("", decoder.Flush());
        decoder.Add(ids[0]);
        Assert.Equal("\uFFFD", decoder.Flush());
    }

    [Fact]
    public void Decode_SkippingSpecialTokens_KeepsSpeechUnits() =>
        Assert.Equal("a<|speech_0|>", Tokenizer.Decode(Tokenizer.Encode("a<|speech_0|><|im_end|>"), skipSpecialTokens: true));

    [Theory]
    [InlineData("", "not a tokenizer.json")]
    [InlineData("[1, 2]", "\"model\" is missing")]
    [InlineData("{\"model\": 5}", "\"model\" is missing")]
    [InlineData("{\"model\": {\"type\": \"Unigram\", \"vocab\": {}, \"merges\": []}}", "only \"BPE\"")]
    public void Parse_ForeignJson_SaysWhatIsWrong(string json, string reason)
    {
        EmovaException exception = Assert.Throws<EmovaException>(() => HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(json), "x.json"));
        Assert.StartsWith("x.json: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Theory]
    [InlineData("model.vocab.the", "-1", "expected a token id")]
    [InlineData("model.vocab.the", "2000000000", "expected a token id")]
    [InlineData("model.vocab.the", "3", "twice")]
    [InlineData("model.merges", "[\"q q\"]", "lacks")]
    [InlineData("model.merges", "[\"abc\"]", "two pieces")]
    [InlineData("model.merges", "{}", "\"merges\"")]
    [InlineData("added_tokens", "[{\"id\": 1, \"content\": \"x\"}]", "disagree")]
    [InlineData("added_tokens", "[{\"id\": 900, \"content\": \"\"}]", "empty")]
    [InlineData("added_tokens", "[5]", "not an object")]
    [InlineData("normalizer", "{\"type\": \"Lowercase\"}", "not supported")]
    [InlineData("pre_tokenizer", "{\"type\": \"Whitespace\"}", "not supported")]
    [InlineData("pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}}, {\"type\": \"ByteLevel\", \"use_regex\": false}]}", "do not fit")]
    public void Parse_DamagedPart_NamesIt(string path, string value, string reason)
    {
        JsonNode root = JsonNode.Parse(ToyTokenizer.Json())!;
        string[] steps = path.Split('.');
        JsonNode parent = root;
        foreach (string step in steps[..^1])
            parent = parent[step]!;
        parent[steps[^1]] = JsonNode.Parse(value);
        byte[] json = Encoding.UTF8.GetBytes(root.ToJsonString());
        EmovaException exception = Assert.Throws<EmovaException>(() => HuggingFaceTokenizer.Parse(json, "x.json"));
        Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Encode_PatternWithExponentialTime_GivesUpWithAnError()
    {
        JsonNode root = JsonNode.Parse(ToyTokenizer.Json())!;
        root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = "(a+)+$";
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(root.ToJsonString()), "x.json");
        EmovaException exception = Assert.Throws<EmovaException>(() => tokenizer.Encode(new string('a', 60) + "!"));
        Assert.Contains("too long", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_MissingFile_NamesIt() =>
        Assert.Contains("no such file", Assert.Throws<EmovaException>(() => HuggingFaceTokenizer.Load("/nowhere/tokenizer.json")).Message, StringComparison.Ordinal);
}
