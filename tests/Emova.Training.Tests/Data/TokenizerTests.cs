using System.Text;
using Emova.Text;
using Emova.Training.Data;
using Xunit;

namespace Emova.Training.Tests.Data;

public sealed class TokenizerTests
{
    private static readonly string[] Texts = ["the cat is on the left", "i see a cat and a dog", "there are three dogs", "the dog is on the right"];

    private static Emova.Training.Data.TokenizerFile Train(int entries = 330) =>
        Emova.Training.Data.TokenizerFile.Train(Texts.Select(t => (t, 1L)), entries);

    [Theory]
    [InlineData("the cat is on the left")]
    [InlineData("<|im_start|>user\n<image>\nwhat is this<|im_end|>\n")]
    [InlineData("unknown words, 1 + 2 = 3 and ümläuts 😀")]
    public void Text_survives_the_round_trip_through_the_runtime_tokenizer(string text)
    {
        HuggingFaceTokenizer tokenizer = Open(Train());
        Assert.Equal(text, tokenizer.Decode([.. tokenizer.Encode(text)]));
    }

    [Fact]
    public void Frequent_words_and_fixed_phrases_are_single_tokens()
    {
        HuggingFaceTokenizer tokenizer = Open(Train());
        Assert.Single(tokenizer.Encode(" cat"));
        Assert.All(Emova.Training.Data.TokenizerFile.AddedTokens, t => Assert.Single(tokenizer.Encode(t.Content)));
        string reply = ReplyFormat.Write("the cat", "sad", "low", "the dog", "sad", "low", "<|speech_7|>");
        Assert.Equal(reply, tokenizer.Decode([.. tokenizer.Encode(reply)]));
    }

    [Fact]
    public void Merges_are_learned_by_frequency_with_ties_in_order()
    {
        (List<string> vocabulary, List<(string Left, string Right)> merges) = ByteLevelBpeTrainer.Train([("ab ab ab cd cd", 1)], 258);
        Assert.Equal(258, vocabulary.Count);
        Assert.Equal([("a", "b"), ("c", "d")], merges.Select(m => (m.Left, m.Right)));
    }

    [Fact]
    public void Units_are_appended_with_consecutive_ids()
    {
        Emova.Training.Data.TokenizerFile plain = Train(), file = plain.WithUnits([5, 17, 4095, 17]);
        Assert.Equal(plain.VocabularySize + 3, file.VocabularySize);
        HuggingFaceTokenizer tokenizer = Open(file);
        Assert.Equal([plain.VocabularySize, plain.VocabularySize + 1, plain.VocabularySize + 2],
            tokenizer.Encode("<|speech_5|><|speech_17|><|speech_4095|>"));
        Assert.Null(Open(plain).FindToken("<|speech_5|>"));
    }

    [Fact]
    public void Too_few_entries_are_refused()
    {
        var error = Assert.Throws<EmovaException>(() => Train(100));
        Assert.Contains("tokenizer_entries", error.Message, StringComparison.Ordinal);
    }

    private static HuggingFaceTokenizer Open(Emova.Training.Data.TokenizerFile file)
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "tokenizer.json");
        file.Save(path);
        byte[] json = File.ReadAllBytes(path);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        Assert.NotEqual(0xEF, json[0]);
        return HuggingFaceTokenizer.Parse(json, Encoding.UTF8.WebName);
    }
}
