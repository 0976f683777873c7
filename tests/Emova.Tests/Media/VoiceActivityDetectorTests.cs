using CsCheck;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class VoiceActivityDetectorTests
{
    private const int Rate = VoiceActivityDetector.SampleRate;
    private const int PerMs = Rate / 1000;

    public static TheoryData<string> Samples() => ["rainbow", "strawberry", "sum", "tigers", "triangle"];

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_spoken_question_is_one_turn(string name)
    {
        float[] speech = Sample(name);
        (int first, int last) = Loud(speech);
        List<VoiceActivityEvent> found = Run([.. new float[Rate], .. speech, .. new float[Rate]]);
        Assert.Equal([true, false], found.Select(change => change.Started));
        Assert.InRange(found[0].Sample, Rate + first - (400 * PerMs), Rate + first - (150 * PerMs));
        Assert.InRange(found[1].Sample, Rate + last + (400 * PerMs), Rate + last + (650 * PerMs));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void Speech_that_begins_with_the_stream_is_heard(string name)
    {
        List<VoiceActivityEvent> found = Run([.. Sample(name), .. new float[Rate]]);
        Assert.Equal([new VoiceActivityEvent(true, 0)], found[..1]);
        Assert.Equal(2, found.Count);
    }

    [Theory]
    [InlineData(20, 0.0)]
    [InlineData(10, 0.0)]
    [InlineData(10, 0.95)]
    public void Speech_is_found_in_noise(int ratioDb, double color)
    {
        float[] speech = Sample("tigers");
        (int first, _) = Loud(speech);
        double level = 10 * Math.Log10(speech.Average(value => value * value));
        float[] noisy = Noise(speech.Length + (7 * Rate), level - ratioDb, color, seed: 5);
        for (int i = 0; i < speech.Length; i++)
            noisy[(4 * Rate) + i] += speech[i];
        List<VoiceActivityEvent> found = Run(noisy);
        Assert.Equal([true, false], found.Take(2).Select(change => change.Started));
        Assert.InRange(found[0].Sample, (4 * Rate) + first - (400 * PerMs), (4 * Rate) + first + (300 * PerMs));
    }

    [Theory]
    [InlineData(-70, 0.0)]
    [InlineData(-40, 0.0)]
    [InlineData(-6, 0.0)]
    [InlineData(-40, 0.7)]
    [InlineData(-20, 0.98)]
    public void Steady_noise_is_no_speech(double levelDb, double color) => Assert.Empty(Run(Noise(8 * Rate, levelDb, color, seed: 3)));

    [Fact]
    public void A_machine_that_is_switched_on_is_no_speech() =>
        Assert.Empty(Run([.. Noise(4 * Rate, -60, 0, seed: 1), .. Noise(5 * Rate, -20, 0.5, seed: 2)]));

    [Fact]
    public void Hum_is_no_speech()
    {
        float[] sound = new float[6 * Rate];
        for (int i = 0; i < sound.Length; i++)
            sound[i] = (0.05f * MathF.Sin(2 * MathF.PI * 50 * i / Rate)) + (0.02f * MathF.Sin(2 * MathF.PI * 150 * i / Rate));
        Assert.Empty(Run(sound));
    }

    [Fact]
    public void Clicks_are_no_speech()
    {
        float[] sound = new float[6 * Rate];
        for (int start = 3000; start + 80 < sound.Length; start += 9000)
        {
            for (int i = 0; i < 80; i++)
                sound[start + i] = i % 2 == 0 ? 0.5f : -0.5f;
        }

        Assert.Empty(Run(sound));
    }

    [Fact]
    public void Pieces_of_any_size_give_the_same_events()
    {
        float[] sound = [.. Noise(Rate / 2, -50, 0, seed: 8), .. Sample("sum"), .. Noise(Rate, -50, 0, seed: 9)];
        List<VoiceActivityEvent> whole = Run(sound);
        Assert.NotEmpty(whole);
        Gen.Int[1, 5000].Array[1, 8].Sample(pieces =>
        {
            VoiceActivityDetector detector = new();
            List<VoiceActivityEvent> found = [];
            for (int at = 0, i = 0; at < sound.Length; i++)
            {
                int count = Math.Min(pieces[i % pieces.Length], sound.Length - at);
                detector.Push(sound.AsSpan(at, count), found);
                at += count;
            }

            Assert.Equal(whole, found);
            Assert.Equal(sound.Length, detector.Position);
        }, iter: 20);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(900)]
    public void The_silence_that_ends_a_turn_is_as_long_as_asked(int milliseconds)
    {
        float[] speech = Sample("strawberry");
        (_, int last) = Loud(speech);
        List<VoiceActivityEvent> found = Run(
            [.. speech, .. new float[2 * Rate]], new VoiceActivityOptions { SilenceDurationMs = milliseconds, PrefixPaddingMs = 0 });
        Assert.Equal(2, found.Count);
        Assert.InRange(found[1].Sample - last, (milliseconds - 100) * PerMs, (milliseconds + 150) * PerMs);
    }

    [Fact]
    public void A_higher_threshold_asks_for_louder_speech()
    {
        float[] speech = Sample("sum");
        double level = 10 * Math.Log10(speech.Average(value => value * value));
        float[] noisy = Noise(speech.Length + (5 * Rate), level - 20, 0, seed: 4);
        for (int i = 0; i < speech.Length; i++)
            noisy[(4 * Rate) + i] += speech[i];
        Assert.NotEmpty(Run(noisy, new VoiceActivityOptions { Threshold = 0.3f }));
        Assert.Empty(Run(noisy, new VoiceActivityOptions { Threshold = 1 }));
    }

    [Fact]
    public void A_turn_ended_from_outside_does_not_reach_into_the_next()
    {
        float[] speech = Sample("rainbow");
        VoiceActivityDetector detector = new();
        List<VoiceActivityEvent> found = [];
        detector.Push(speech, found);
        Assert.True(detector.IsSpeaking);
        detector.EndTurn();
        Assert.False(detector.IsSpeaking);
        Assert.Equal(0, detector.TrailingSilence);
        long cut = detector.Position;
        detector.Push(speech, found);
        Assert.Equal(2, found.Count);
        Assert.True(found[1].Started);
        Assert.InRange(found[1].Sample, cut, cut + (500 * PerMs));
    }

    [Theory]
    [InlineData(-0.1f, 300, 500)]
    [InlineData(float.NaN, 300, 500)]
    [InlineData(0.5f, -1, 500)]
    [InlineData(0.5f, 300, 49)]
    [InlineData(0.5f, 300, 60_001)]
    public void Settings_out_of_range_are_refused(float threshold, int prefix, int silence) =>
        Assert.Throws<EmovaException>(() => new VoiceActivityDetector(
            new VoiceActivityOptions { Threshold = threshold, PrefixPaddingMs = prefix, SilenceDurationMs = silence }));

    private static List<VoiceActivityEvent> Run(float[] sound, VoiceActivityOptions? options = null)
    {
        List<VoiceActivityEvent> found = [];
        new VoiceActivityDetector(options).Push(sound, found);
        return found;
    }

    private static float[] Sample(string name)
    {
        AudioClip clip = WavFile.Read(Path.Combine(Repository.Root, "samples", name + ".wav"));
        return clip.SampleRate == Rate ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, Rate);
    }

    /// <summary>First and last sample within 30 dB of the loudest.</summary>
    private static (int First, int Last) Loud(float[] samples)
    {
        float limit = samples.Max(MathF.Abs) * 0.03f;
        return (Array.FindIndex(samples, value => MathF.Abs(value) > limit), Array.FindLastIndex(samples, value => MathF.Abs(value) > limit));
    }

    /// <summary>Noise of one level below full scale; a color of 0 is white, one near 1 brown.</summary>
    private static float[] Noise(int count, double levelDb, double color, int seed)
    {
        Random random = new(seed);
        float[] noise = new float[count];
        double state = 0, power = 0;
        for (int i = 0; i < count; i++)
        {
            state = (color * state) + random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5;
            noise[i] = (float)state;
            power += state * state;
        }

        float scale = (float)(Math.Pow(10, levelDb / 20) / Math.Sqrt(power / count));
        for (int i = 0; i < count; i++)
            noise[i] *= scale;
        return noise;
    }
}
