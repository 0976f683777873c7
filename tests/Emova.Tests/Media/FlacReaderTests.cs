using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class FlacReaderTests
{
    /// <summary>Noise, silence, a full-scale square and a tone: every predictor of the writer and blocks that are cut short.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(10000)]
    public void What_was_written_is_read_back_to_the_last_bit(int length)
    {
        Random random = new(length);
        foreach (Func<int, float> signal in (Func<int, float>[])
            [_ => random.NextSingle() * 1.9f - 0.95f, _ => 0, i => i / 50 % 2 == 0 ? 32767f / 32768 : -1, i => 0.5f * MathF.Sin(i * 0.05f)])
        {
            float[] samples = [.. Enumerable.Range(0, length).Select(i => MathF.Round(signal(i) * 32768) / 32768)];
            AudioClip clip = AudioFile.Decode(Write(samples, 16000), "test");
            Assert.Equal(16000, clip.SampleRate);
            Assert.Equal(samples, clip.Samples);
        }
    }

    /// <summary>Files of another encoder, with linear predictors, partitions, stereo decorrelation, wasted bits and 8 to 24 bits, beside what they hold.</summary>
    [Theory]
    [InlineData("stereo16")]
    [InlineData("mono24")]
    [InlineData("wasted16")]
    [InlineData("mono8")]
    public void Files_of_another_encoder_are_read_to_the_last_bit(string name)
    {
        string folder = Path.Combine(Repository.Root, "tests", "data", "audio");
        AudioClip expected = AudioFile.Read(Path.Combine(folder, name + ".wav")), actual = AudioFile.Read(Path.Combine(folder, name + ".flac"));
        Assert.Equal(expected.SampleRate, actual.SampleRate);
        Assert.Equal(expected.Samples, actual.Samples);
    }

    [Fact]
    public void A_flipped_bit_a_cut_end_and_a_header_that_promises_too_much_are_refused()
    {
        byte[] good = Write([.. Enumerable.Range(0, 5000).Select(i => MathF.Sin(i * 0.1f) / 2)], 16000);
        byte[] flipped = [.. good], promising = [.. good];
        flipped[good.Length / 2] ^= 4;
        promising[22] = 0x7F; // of the 36 bits with the number of samples: hours of them
        foreach (byte[] bad in (byte[][])[flipped, good[..^9], good[..50], good[..6], promising])
            Assert.Contains("bad.flac", Assert.Throws<EmovaException>(() => AudioFile.Decode(bad, "bad.flac")).Message, StringComparison.Ordinal);
        Assert.Contains("limit", Assert.Throws<EmovaException>(() => AudioFile.Decode(good, "x", TimeSpan.FromSeconds(0.1))).Message, StringComparison.Ordinal);
    }

    private static byte[] Write(float[] samples, int rate)
    {
        using MemoryStream stream = new();
        using (FlacWriter writer = new(stream, rate))
            writer.Write(samples);
        return stream.ToArray();
    }
}
