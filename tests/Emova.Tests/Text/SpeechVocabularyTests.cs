using Emova.Text;
using Xunit;

namespace Emova.Tests.Text;

public sealed class SpeechVocabularyTests
{
    private static readonly HuggingFaceTokenizer Tokenizer = ToyTokenizer.Create();
    private static readonly SpeechVocabulary Speech = new(Tokenizer);

    [Fact]
    public void TokenOf_UnitWithToken_IsReadFromTheTokenText()
    {
        Assert.Equal(ToyTokenizer.SomeUnits, Speech.Units);
        foreach (int unit in Speech.Units)
        {
            Assert.Equal(Tokenizer.RequireToken($"<|speech_{unit}|>"), Speech.TokenOf(unit));
            Assert.Equal(unit, Speech.UnitOf(Speech.TokenOf(unit)));
        }

        Assert.Equal(-1, Speech.UnitOf(Tokenizer.RequireToken("<|im_end|>")));
        Assert.Equal(-1, Speech.UnitOf(-200));
    }

    [Fact]
    public void Nearest_EveryUnit_IsTheBruteForceMinimum()
    {
        for (int unit = 0; unit < Speech.UnitCount; unit++)
        {
            int best = ToyTokenizer.SomeUnits.OrderBy(candidate => Distance(unit, candidate)).ThenBy(candidate => candidate).First();
            Assert.Equal(best, Speech.Nearest(unit));
        }
    }

    [Fact]
    public void Nearest_OutOfRange_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Speech.Nearest(4096));
        Assert.Throws<ArgumentOutOfRangeException>(() => Speech.Nearest(-1));
    }

    [Fact]
    public void Constructor_TokenizerWithoutUnits_Throws() =>
        Assert.Throws<EmovaException>(() => new SpeechVocabulary(ToyTokenizer.Create(units: [])));

    private static int Distance(int a, int b) =>
        Enumerable.Range(0, 4).Sum(digit => Math.Abs((a >> (3 * digit) & 7) - (b >> (3 * digit) & 7)));
}
