using CsCheck;
using Emova.Models.Speech;
using Xunit;

namespace Emova.Tests.Models;

public sealed class SpeechUnitsTests
{
    [Fact]
    public void CollapsedRunsExpandToTheOriginal() => Gen.Int[0, 3].Array[0, 60].Sample(units =>
    {
        (int[] collapsed, int[] runs) = SpeechUnits.Collapse(units);
        Assert.Equal(units, collapsed.Zip(runs).SelectMany(pair => Enumerable.Repeat(pair.First, pair.Second)));
        for (int i = 1; i < collapsed.Length; i++) Assert.NotEqual(collapsed[i - 1], collapsed[i]);
    });

    [Fact]
    public void TextRoundTrips() => Gen.Int[0, 4095].Array[0, 40].Sample(units => Assert.Equal(units, SpeechUnits.Parse(SpeechUnits.ToText(units))));

    [Theory]
    [InlineData("hello <|speech_7|> <|im_end|><|speech_9|>", new[] { 7, 9 })]
    [InlineData("<|speech_|><|speech_x|><|speech_-1|><|speech_5", new int[0])]
    [InlineData("<|speech_<|speech_12|>|>", new[] { 12 })]
    public void OtherTextIsSkipped(string text, int[] expected) => Assert.Equal(expected, SpeechUnits.Parse(text));

    [Theory]
    [InlineData("<|speech_4096|>")]
    [InlineData("<|speech_99999999999|>")]
    public void UnitsOutOfRangeAreRefused(string text) =>
        Assert.Contains("allowed are 0 to 4095", Assert.Throws<EmovaException>(() => SpeechUnits.Parse(text)).Message, StringComparison.Ordinal);
}
