using Emova.Models.Speech;
using Xunit;

namespace Emova.Tests.Models;

public sealed class SpeechStyleTests
{
    [Theory]
    [InlineData("female-happy-high", "female-happy-high", 1f)]
    [InlineData("Male-Sad-Low-Slow", "male-sad-low-slow", 0.8f)]
    [InlineData("male-neutral-normal-fast", "male-neutral-normal-fast", 1.25f)]
    [InlineData("gender-female_emotion-happy_speed-normal_pitch-high", "female-happy-high", 1f)]
    [InlineData("gender-male_emotion-fearful_pitch-low", "male-fearful-low", 1f)]
    public void ShortAndLongNamesAreUnderstood(string text, string expected, float speed)
    {
        SpeechStyle style = SpeechStyle.Parse(text);
        Assert.Equal(expected, style.ToString());
        Assert.Equal(speed, style.SpeedFactor);
        Assert.Equal(style, SpeechStyle.Parse(style.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("female-happy")]
    [InlineData("robot-happy-high")]
    [InlineData("female-happy-high-slow-loud")]
    [InlineData("gender-female_mood-happy")]
    [InlineData("gender-female_gender-male")]
    public void UnknownNamesListTheValidOnes(string text)
    {
        EmovaException error = Assert.Throws<EmovaException>(() => SpeechStyle.Parse(text));
        Assert.Contains($"'{text}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("gender female|male, emotion neutral|happy|sad|angry", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DialsMoveFromNeutralThroughTheStyle()
    {
        StyleTable table = new(new Dictionary<string, float[]> { ["male-neutral-low"] = [1, 2], ["male-happy-low"] = [3, -2] });
        SpeechStyle happy = SpeechStyle.Parse("male-happy-low-fast");
        Assert.Equal([3f, -2f], table.Resolve(happy).StyleVector);
        Assert.Equal([1f, 2f], table.Resolve(happy, new VoiceDials(EmotionStrength: 0)).StyleVector);
        Assert.Equal([4f, -4f], table.Resolve(happy, new VoiceDials(EmotionStrength: 1.5f)).StyleVector);
        VoiceSettings settings = table.Resolve(happy, new VoiceDials(PitchShift: -3, Speed: 0.8f));
        Assert.Equal((-3f, 1f), (settings.PitchShift, settings.Speed));
    }

    [Fact]
    public void MissingStylesAndDialsOutOfRangeAreRefused()
    {
        StyleTable table = new(new Dictionary<string, float[]> { ["male-neutral-low"] = [1] }, "m/styles.safetensors");
        EmovaException error = Assert.Throws<EmovaException>(() => table.Resolve(SpeechStyle.Parse("male-happy-low")));
        Assert.Equal("m/styles.safetensors: no style 'male-happy-low'; the styles are male-neutral-low", error.Message);
        SpeechStyle style = SpeechStyle.Parse("male-neutral-low");
        Assert.Contains("0 to 1.5", Assert.Throws<EmovaException>(() => table.Resolve(style, new VoiceDials(EmotionStrength: 2))).Message, StringComparison.Ordinal);
        Assert.Contains("-12 to 12", Assert.Throws<EmovaException>(() => table.Resolve(style, new VoiceDials(PitchShift: float.NaN))).Message, StringComparison.Ordinal);
        Assert.Contains("0.5 to 2", Assert.Throws<EmovaException>(() => table.Resolve(style, new VoiceDials(Speed: 3))).Message, StringComparison.Ordinal);
    }
}
