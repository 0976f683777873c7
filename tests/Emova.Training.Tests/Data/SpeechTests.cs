using System.Runtime.InteropServices;
using Emova.Training.Data;
using Xunit;

namespace Emova.Training.Tests.Data;

public sealed class SpeechTests
{
    private static readonly ProsodySettings Neutral = new(174, 34, 1, 0, 0, false);

    [Theory]
    [InlineData(0, -20)]
    [InlineData(-6, -26)]
    [InlineData(4, -16)]
    public void The_level_is_set_relative_to_minus_20_decibels(double gain, double expected)
    {
        short[] tone = Tone(440, 16000, 9000);
        short[] result = VoicePostProcessor.Apply(tone, Neutral with { LevelDecibels = gain });
        Assert.Equal(expected, Decibels(result.AsSpan(960, 15000)), 0.2);
    }

    [Fact]
    public void Silence_is_cut_and_60_and_80_milliseconds_are_left()
    {
        short[] samples = [.. new short[4800], .. Tone(440, 8000, 9000), .. new short[6400]];
        short[] result = VoicePostProcessor.Apply(samples, Neutral);
        Assert.InRange(result.Length, 960 + 8000 + 1280 - 320, 960 + 8000 + 1280 + 320);
        Assert.All(result[..900], s => Assert.Equal(0, s));
        Assert.NotEqual(0, Decibels(result.AsSpan(960, 320)));
    }

    [Fact]
    public void The_shelf_makes_high_tones_louder_against_low_ones()
    {
        short[] mixture = [.. Tone(300, 16000, 5000).Zip(Tone(6000, 16000, 5000), (a, b) => (short)(a + b))];
        double Ratio(double shelf)
        {
            short[] result = VoicePostProcessor.Apply(mixture, Neutral with { ShelfDecibels = shelf });
            return 20 * Math.Log10(Amplitude(result, 6000) / Amplitude(result, 300));
        }

        Assert.Equal(6, Ratio(6) - Ratio(0), 0.5);
        Assert.Equal(-8, Ratio(-8) - Ratio(0), 0.5);
    }

    [Fact]
    public void Styles_are_named_and_parsed()
    {
        Assert.Equal(24, VoiceStyle.All.Select(s => s.Name).Distinct().Count());
        Assert.All(VoiceStyle.All, s => Assert.Equal(s, VoiceStyle.Parse(s.Name)));
        Assert.Throws<ArgumentException>(() => VoiceStyle.Parse("female-bored-low"));
    }

    [Fact]
    public void Strangers_speak_the_same_every_time_and_each_in_another_voice()
    {
        try
        {
            StrangerSynthesizer.Require();
        }
        catch (EmovaException)
        {
            Assert.Skip($"needs the Debian packages {StrangerSynthesizer.Packages}");
        }
        using StrangerSynthesizer strangers = new();
        short[] Say(string voice) => strangers.Synthesize("the cat is on the left", voice, new DeterministicRandom(7));
        string[] voices = [StrangerSynthesizer.Voices[0], StrangerSynthesizer.Voices[1], StrangerSynthesizer.Voices[9]];
        short[][] spoken = [.. voices.Select(Say)];
        Assert.All(spoken, samples => Assert.InRange(samples.Length, TinyCorpus.SampleRate, 4 * TinyCorpus.SampleRate));
        Assert.All(spoken, samples => Assert.True(samples.Max() > 3000));
        Assert.Equal(voices.Length, spoken.Select(samples => samples.Length).Distinct().Count());
        Assert.Equal(spoken[0], Say(voices[0]));
        Assert.Equal(spoken[1], Say(voices[1]));
    }

    [Fact]
    public void Flite_speaks_the_same_every_time_and_obeys_the_style()
    {
        if (!FliteSynthesizer.IsAvailable)
            Assert.Skip($"needs the Debian package {FliteSynthesizer.Package}");
        var flite = new FliteSynthesizer();
        using StrangerSynthesizer strangers = new();
        static RenderJob Job(string style) => new("x", "the cat is on the left", VoiceStyle.Parse(style).Voice, style, "canonical", "train");
        (short[] samples, string[] phones) = SpeechRenderer.Render(flite, strangers, Job("female-neutral-normal"));
        Assert.Equal(["dh", "ax", "k", "ae", "t", "ih", "z", "aa", "n", "dh", "ax", "l", "eh", "f", "t"], phones);
        (short[] sad, _) = SpeechRenderer.Render(flite, strangers, Job("female-sad-normal"));
        (short[] again, _) = SpeechRenderer.Render(flite, strangers, Job("female-neutral-normal"));
        Assert.Equal(samples, again);
        Assert.InRange((double)sad.Length / samples.Length, 1.15, 1.45);
        Assert.InRange(Decibels(sad) - Decibels(samples), -7.0, -5.0);
    }

    [Fact]
    public void A_finished_shard_is_kept_and_a_changed_plan_renders_it_again()
    {
        if (!FliteSynthesizer.IsAvailable)
            Assert.Skip($"needs the Debian package {FliteSynthesizer.Package}");
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            RenderJob[] jobs = [new("c0", "hello", "slt", "female-neutral-normal", "canonical", "train"), new("s1", "the dog", "awb", "male-angry-low", "styled", "test")];
            void Run(RenderJob[] plan)
            {
                CorpusJson.WriteLines(SpeechRenderer.PlanPath(folder), plan);
                int done = 0;
                SpeechRenderer.RenderShards(folder, 0, 1, n => done += n);
                Assert.Equal(plan.Length, done);
            }

            string pcm = Path.Combine(folder, "speech", "000.pcm");
            Run(jobs);
            byte[] first = File.ReadAllBytes(pcm);
            var stamp = new DateTime(2001, 2, 3, 0, 0, 0, DateTimeKind.Utc);
            File.SetLastWriteTimeUtc(pcm, stamp);
            Run(jobs);
            Assert.Equal(stamp, File.GetLastWriteTimeUtc(pcm));
            File.Delete(Path.Combine(folder, "speech", "000.jsonl")); // as if interrupted before the end
            Run(jobs);
            Assert.Equal(first, File.ReadAllBytes(pcm));
            Run([jobs[0], jobs[1] with { Text = "the cat" }]);
            Assert.NotEqual(first, File.ReadAllBytes(pcm));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_reader_finds_samples_and_says_what_is_missing()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            Assert.Contains("emova-train data", Assert.Throws<FileNotFoundException>(() => TinyCorpus.Open(folder)).Message, StringComparison.Ordinal);
            Directory.CreateDirectory(Path.Combine(folder, "speech"));
            short[] samples = [1, -2, 3, 30000, -30000];
            File.WriteAllBytes(Path.Combine(folder, "speech", "000.pcm"), MemoryMarshal.AsBytes(samples.AsSpan()).ToArray());
            CorpusJson.WriteLines(Path.Combine(folder, "speech", "index.jsonl"), new Utterance[]
            {
                new("a", "hello", "slt", "female-neutral-normal", "canonical", "train", "speech/000.pcm", 0, 2, ["hh", "ax"]),
                new("b", "you", "slt", "female-neutral-normal", "canonical", "test", "speech/000.pcm", 4, 3, ["y", "uw"]),
                new("c", "cut", "slt", "female-neutral-normal", "canonical", "test", "speech/000.pcm", 8, 3, ["k"]),
            });
            using TinyCorpus corpus = TinyCorpus.Open(folder);
            Assert.Equal([3, 30000, -30000], corpus.Pcm(corpus.Find("b")).ToArray());
            Assert.Equal(["ax", "hh", "k", "uw", "y"], corpus.Phones);
            Assert.Equal("a", Assert.Single(corpus.Saying("hello", "canonical", "train")).Id);
            Assert.Throws<InvalidDataException>(() => corpus.Pcm(corpus.Find("c")).Length);
            SpeechUnitsTable.Save(folder, [new UnitsRecord("a", [7, 7, 3])]);
            SpeechUnitsTable units = SpeechUnitsTable.Open(folder);
            Assert.Equal([3, 7], units.UsedBy(["a"]));
            Assert.Throws<KeyNotFoundException>(() => units["b"]);
            Assert.Equal([7, 7, 3], units.Any("a", new Random(1)));
            SpeechUnitsTable.Save(folder, [new UnitsRecord("a", [7, 7, 3], [[8, 3], [9]])]);
            units = SpeechUnitsTable.Open(folder);
            Random random = new(1);
            Assert.Equal([1, 2, 3], Enumerable.Range(0, 60).Select(_ => units.Any("a", random).Length).Distinct().Order());
            Assert.Equal([7, 7, 3], units["a"]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static short[] Tone(double frequency, int count, double amplitude) =>
        [.. Enumerable.Range(0, count).Select(i => (short)(amplitude * Math.Sin(2 * Math.PI * frequency * i / 16000)))];

    private static double Decibels(ReadOnlySpan<short> samples)
    {
        double energy = 0;
        foreach (short s in samples)
            energy += s * (double)s;
        return 20 * Math.Log10(Math.Sqrt(energy / samples.Length) / 32768);
    }

    private static double Amplitude(short[] samples, double frequency)
    {
        double re = 0, im = 0;
        for (int i = 0; i < samples.Length; i++)
        {
            re += samples[i] * Math.Cos(2 * Math.PI * frequency * i / 16000);
            im += samples[i] * Math.Sin(2 * Math.PI * frequency * i / 16000);
        }
        return Math.Sqrt((re * re) + (im * im));
    }
}
