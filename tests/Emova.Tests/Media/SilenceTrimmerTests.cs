using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class SilenceTrimmerTests
{
    private const int Rate = 16000;

    [Theory]
    [InlineData(0)]
    [InlineData(120)]
    public void Silence_around_speech_is_cut_to_what_is_to_stay(int keep)
    {
        float[] speech = Speech();
        AudioClip trimmed = SilenceTrimmer.Trim(new AudioClip([.. new float[Rate], .. speech, .. new float[2 * Rate]], Rate), keep);
        AudioClip alone = SilenceTrimmer.Trim(new AudioClip(speech, Rate), 0);
        Assert.InRange(trimmed.Samples.Length - alone.Samples.Length, (2 * keep * Rate / 1000) - 640, (2 * keep * Rate / 1000) + 640);
        Assert.Equal(speech.Max(MathF.Abs), trimmed.Samples.Max(MathF.Abs));
    }

    [Fact]
    public void The_noise_of_a_room_is_cut_as_well()
    {
        float[] noisy = new float[4 * Rate];
        Random random = new(3);
        for (int i = 0; i < noisy.Length; i++)
            noisy[i] = 0.01f * ((2 * random.NextSingle()) - 1);
        float[] speech = Speech();
        for (int i = 0; i < speech.Length; i++)
            noisy[Rate + i] += speech[i];
        Assert.InRange(SilenceTrimmer.Trim(new AudioClip(noisy, Rate), 100).Samples.Length, speech.Length - (Rate / 4), speech.Length + (Rate / 4));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(16000)]
    public void What_has_no_speech_stays_as_it_is(int count)
    {
        AudioClip silence = new(new float[count], Rate);
        Assert.Same(silence, SilenceTrimmer.Trim(silence, 0));
        AudioClip tone = new([.. Enumerable.Range(0, count).Select(i => 0.1f * MathF.Sin(0.2f * i))], Rate);
        Assert.Same(tone, SilenceTrimmer.Trim(tone, 0));
    }

    private static float[] Speech() => WavFile.Read(Path.Combine(Repository.Root, "samples", "strawberry.wav")).Samples;
}
