using CsCheck;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Models;

public sealed class SourceFilterVocoderTests
{
    private static readonly float[] Style = [0.3f, -1.2f, 0.8f, 0.1f, -0.4f];

    [Fact]
    public void RenderedGivenValuesFollowTheDefinition()
    {
        using RandomVocoder model = new(RandomVocoder.Small);
        int[] units = [5, 4095, 77, 1234], durations = [3, 1, 8, 2];
        const int frames = 14;
        float[] frequency = [.. Enumerable.Range(0, frames).Select(t => t is 0 or 5 or 6 ? 0 : 110f + 9 * t)];
        float[] logEnergy = [.. Enumerable.Range(0, frames).Select(t => -4f + 0.2f * t)];
        Random random = new(3);
        float[] noise = [.. Enumerable.Range(0, frames * 160).Select(_ => random.NextSingle() * 2 - 1)];

        VocoderReference reference = new(model, [.. Style.Select(v => (double)v)]);
        double[][] states = reference.Frames(reference.EncodeUnits(units), durations);
        double[] expected = reference.Render(states, [.. frequency.Select(f => (double)f)], [.. logEnergy.Select(e => (double)e)], noise);

        VocoderOutput output = model.Vocoder.Render(units, new VoiceSettings(Style), new VocoderGivens
        {
            FramesPerUnit = durations,
            Prosody = new PitchTrack(frequency, logEnergy),
            Noise = noise,
        });
        Assert.Equal(durations, output.FramesPerUnit);
        Assert.Equal(frequency, output.Prosody.Frequency);
        Closeness.Assert("samples", [.. expected.Select(v => (float)v)], output.Samples, 2e-4, 1e-3);
        Assert.True(expected.Max(Math.Abs) > 0.05, "the comparison needs a signal");
    }

    [Fact]
    public void PredictedDurationsPitchAndEnergyFollowTheDefinition()
    {
        using RandomVocoder model = new(RandomVocoder.Small, seed: 2);
        Random random = new(4);
        int[] units = SpeechUnits.Collapse([.. Enumerable.Range(0, 30).Select(_ => random.Next(4096))]).Units;
        VocoderReference reference = new(model, [.. Style.Select(v => (double)v)]);
        double[][] encoded = reference.EncodeUnits(units);
        foreach ((float speed, float shift) in ((float, float)[])[(1, 0), (1.25f, 3), (0.8f, -5)])
        {
            int[] durations = reference.Durations(encoded, speed);
            (double[] frequency, double[] logEnergy) = reference.Prosody(reference.Frames(encoded, durations), shift);
            VocoderOutput output = model.Vocoder.Synthesize(units, new VoiceSettings(Style, shift, speed));
            Assert.Equal(durations, output.FramesPerUnit);
            Assert.Equal(durations.Sum() * 160, output.Samples.Length);
            Closeness.Assert("pitch", [.. frequency.Select(v => (float)v)], output.Prosody.Frequency, 0.01, 1e-4);
            Closeness.Assert("energy", [.. logEnergy.Select(v => (float)v)], output.Prosody.LogEnergy, 1e-3);
            Assert.Contains(frequency, f => f > 0);
        }
    }

    [Fact]
    public void StreamingInAnyPiecesEqualsTheWholeBitForBit()
    {
        using RandomVocoder model = new(RandomVocoder.Small);
        Gen.Select(Gen.Int[0, 4095].Array[0, 50], Gen.Int[1, 25].Array[1, 12], Gen.ULong).Sample((units, pieces, seed) =>
        {
            VoiceSettings voice = new(Style, 1, 1.1f);
            VocoderOutput whole = model.Vocoder.Synthesize(units, voice, seed);
            VocoderSession session = model.Vocoder.StartSession(voice, seed);
            List<float> streamed = [];
            for (int at = 0, piece = 0; at < units.Length; piece++)
            {
                int count = Math.Min(pieces[piece % pieces.Length], units.Length - at);
                streamed.AddRange(session.Push(units.AsSpan(at, count)));
                at += count;
            }

            streamed.AddRange(session.Flush());
            Assert.Equal(whole.Samples, streamed);
            Assert.Equal(whole.FramesPerUnit, session.FramesPerUnit);
            Assert.All(whole.Samples, s => Assert.True(float.IsFinite(s)));
        }, iter: 25);
    }

    [Fact]
    public void SpeechComesOutBeforeAllUnitsAreIn()
    {
        using RandomVocoder model = new(RandomVocoder.Small);
        VocoderSession session = model.Vocoder.StartSession(new VoiceSettings(Style));
        int received = 0;
        for (int unit = 0; unit < 60; unit++) received += session.Push([unit]).Length;
        int rest = session.Flush().Length;
        Assert.True(received > 3 * rest, $"{received} samples while streaming, {rest} at the end");
        Assert.Empty(session.Flush());
        Assert.Throws<InvalidOperationException>(() => session.Push([1]));
    }

    [Fact]
    public void ThreadsDoNotChangeABit()
    {
        using RandomVocoder model = new(RandomVocoder.Small with { HiddenSize = 96, IntermediateSize = 256 });
        int[] units = [.. Enumerable.Range(0, 40).Select(i => i * 97 % 4096)];
        int threads = WorkerTeam.Shared.ThreadCount;
        try
        {
            WorkerTeam.Shared.ThreadCount = 1;
            float[] one = model.Vocoder.Synthesize(units, new VoiceSettings(Style)).Samples;
            WorkerTeam.Shared.ThreadCount = 3;
            Assert.Equal(one, model.Vocoder.Synthesize(units, new VoiceSettings(Style)).Samples);
        }
        finally
        {
            WorkerTeam.Shared.ThreadCount = threads;
        }
    }

    [Fact]
    public void RepetitionsAreMergedAndTheSeedOnlyChangesTheNoise()
    {
        using RandomVocoder model = new(RandomVocoder.Small);
        VoiceSettings voice = new(Style);
        VocoderOutput once = model.Vocoder.Synthesize([1, 2, 3], voice, seed: 1);
        Assert.Equal(once.Samples, model.Vocoder.Synthesize([1, 1, 2, 3, 3, 3], voice, seed: 1).Samples);
        VocoderOutput other = model.Vocoder.Synthesize([1, 2, 3], voice, seed: 2);
        Assert.NotEqual(once.Samples, other.Samples);
        Assert.Equal(once.Prosody.Frequency, other.Prosody.Frequency);
        Assert.Empty(model.Vocoder.Synthesize([], voice).Samples);
    }

    [Fact]
    public void BadInputIsRefusedByName()
    {
        using RandomVocoder model = new(RandomVocoder.Small);
        VoiceSettings voice = new(Style);
        Refused("speech unit 4096 is out of range, allowed are 0 to 4095", () => model.Vocoder.Synthesize([4096], voice));
        Refused("speech unit -1", () => model.Vocoder.Synthesize([-1], voice));
        Refused("style vector has 3 values", () => model.Vocoder.Synthesize([1], new VoiceSettings([1, 2, 3])));
        Refused("speed NaN", () => model.Vocoder.Synthesize([1], voice with { Speed = float.NaN }));
        Refused("pitch shift 99", () => model.Vocoder.Synthesize([1], voice with { PitchShift = 99 }));
        Assert.Throws<ArgumentException>(() => model.Vocoder.Render([1, 1], voice, new VocoderGivens { FramesPerUnit = [1, 1] }));
        Assert.Throws<ArgumentException>(() => model.Vocoder.Render([1, 2], voice, new VocoderGivens { FramesPerUnit = [1, 0] }));
        Assert.Throws<ArgumentException>(() => model.Vocoder.Render([1], voice, new VocoderGivens { FramesPerUnit = [2], Noise = new float[319] }));

        static void Refused(string reason, Action action) =>
            Assert.Contains(reason, Assert.Throws<EmovaException>(action).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoiseIsStandardNormalAndAddressedByItsIndex()
    {
        float[] noise = new float[40000], piece = new float[777];
        GaussianNoise.Fill(9, 0, noise);
        Assert.Equal(0, noise.Average(), 0.02);
        Assert.Equal(1, noise.Average(v => v * v), 0.03);
        Assert.Equal(3, noise.Average(v => v * v * v * v), 0.2);
        double neighbors = 0;
        for (int i = 1; i < noise.Length; i++) neighbors += noise[i] * noise[i - 1];
        Assert.Equal(0, neighbors / noise.Length, 0.02);
        foreach (int start in (int[])[0, 1, 500, 501])
        {
            GaussianNoise.Fill(9, start, piece);
            Assert.Equal(noise[start..(start + 777)], piece);
        }
    }
}
