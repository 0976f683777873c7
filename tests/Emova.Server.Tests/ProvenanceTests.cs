using Emova.Media;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>The mark of generated speech: what it survives, that other recordings do not have it, and how much of the sound it changes.</summary>
public sealed class ProvenanceTests
{
    private const int Rate = 24_000;

    // The sample questions one after the other, nine seconds of speech.
    private static readonly Lazy<float[]> Speech = new(() => [.. Directory.GetFiles(Path.Combine(Repository.Root, "samples"), "*.wav").Order(StringComparer.Ordinal).SelectMany(path =>
    {
        AudioClip clip = WavFile.Read(path);
        return Resampler.Resample(clip.Samples, clip.SampleRate, Rate);
    })]);

    private static readonly Lazy<float[]> Marked = new(() => Mark(Speech.Value));

    public static TheoryData<string> Copies => ["as it is", "quieter", "clipped", "16-bit", "telephone", "22,050 Hz", "white noise 20 dB below", "cut in front and behind", "5 seconds", "3 seconds", "softer highs"];

    [Theory]
    [MemberData(nameof(Copies))]
    public void The_mark_survives(string change)
    {
        double marked = ProvenanceMark.Score(Change(change, Marked.Value)), unmarked = ProvenanceMark.Score(Change(change, Speech.Value));
        TestContext.Current.SendDiagnosticMessage($"{change}: score {marked:0.0} with the mark, {unmarked:0.0} without");
        Assert.True(marked >= ProvenanceMark.Threshold, $"{change}: {marked}");
        Assert.True(unmarked < ProvenanceMark.Threshold, $"{change} without a mark: {unmarked}");
    }

    [Fact]
    public void What_carries_no_mark_has_none()
    {
        Random random = new(5);
        float[] noise = [.. Enumerable.Range(0, 20 * Rate).Select(_ => (float)(random.NextDouble() - 0.5))];
        Assert.InRange(ProvenanceMark.Score(new AudioClip(noise, Rate)), 0, ProvenanceMark.Threshold);
        Assert.Equal(0, ProvenanceMark.Score(new AudioClip(new float[Rate], Rate)));
        Assert.Equal(0, ProvenanceMark.Score(new AudioClip([], Rate)));
        Assert.InRange(ProvenanceMark.Score(new AudioClip(Realtime.SessionHarness.Vowel(8000), Rate)), 0, ProvenanceMark.Threshold);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(255)]
    [InlineData(4801)]
    public void The_size_of_the_pieces_changes_nothing(int piece)
    {
        float[] speech = Speech.Value[..Rate];
        ProvenanceMarker marker = new(Rate);
        List<float> pieces = [];
        for (int at = 0; at < speech.Length; at += piece)
            pieces.AddRange(marker.Push(speech.AsSpan(at, Math.Min(piece, speech.Length - at))));
        pieces.AddRange(marker.Flush());
        Assert.Equal(Mark(speech), pieces);
        Assert.Equal(speech.Length, pieces.Count);
    }

    /// <summary>The difference between both lies some 25 dB below the speech, and nowhere but in its own bands.</summary>
    [Fact]
    public void The_sound_stays_what_it_was()
    {
        double signal = 0, difference = 0;
        for (int i = 0; i < Speech.Value.Length; i++)
        {
            signal += Speech.Value[i] * Speech.Value[i];
            difference += Math.Pow(Marked.Value[i] - Speech.Value[i], 2);
        }

        Assert.InRange(10 * Math.Log10(signal / difference), 22, 30);
        float[] silence = Mark(new float[Rate]);
        Assert.All(silence, sample => Assert.Equal(0, sample));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProvenanceMarker(7999));
    }

    private static float[] Mark(float[] samples)
    {
        ProvenanceMarker marker = new(Rate);
        return [.. marker.Push(samples), .. marker.Flush()];
    }

    private static AudioClip Change(string change, float[] samples)
    {
        Random random = new(1);
        double power = samples.Average(sample => (double)sample * sample);
        return change switch
        {
            "as it is" => new AudioClip(samples, Rate),
            "quieter" => new AudioClip([.. samples.Select(sample => 0.1f * sample)], Rate),
            "clipped" => new AudioClip([.. samples.Select(sample => Math.Clamp(3 * sample, -0.5f, 0.5f))], Rate),
            "16-bit" => new AudioClip(Pcm16.ToSamples(Pcm16.ToBytes(samples)), Rate),
            "telephone" => new AudioClip([.. Resampler.Resample(samples, Rate, 8000).Select(sample => G711.FromMuLaw(G711.ToMuLaw(sample)))], 8000),
            "22,050 Hz" => new AudioClip(Resampler.Resample(samples, Rate, 22050), 22050),
            "white noise 20 dB below" => new AudioClip([.. samples.Select(sample => sample + (float)(Math.Sqrt(12 * power / 100) * (random.NextDouble() - 0.5)))], Rate),
            "cut in front and behind" => new AudioClip(samples[(Rate * 13 / 10)..^(Rate * 7 / 10)], Rate),
            "5 seconds" => new AudioClip(samples[(2 * Rate)..(7 * Rate)], Rate),
            "3 seconds" => new AudioClip(samples[(5 * Rate)..(8 * Rate)], Rate),
            "softer highs" => new AudioClip([.. samples.Select((sample, i) => i == 0 ? sample : (0.6f * sample) + (0.4f * samples[i - 1]))], Rate),
            _ => throw new ArgumentException(change),
        };
    }
}
