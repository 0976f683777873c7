using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class PitchTrackerTests
{
    [Theory]
    [InlineData(60)]
    [InlineData(87)]
    [InlineData(110)]
    [InlineData(174)]
    [InlineData(237)]
    [InlineData(440)]
    public void Pulse_trains_and_sines_are_found_within_half_a_percent(float hertz)
    {
        foreach (float[] signal in new[] { Pulses(hertz), Sine(hertz) })
        {
            PitchTrack track = new PitchTracker().Track(signal);
            Assert.Equal(100, track.Frames);
            for (int t = 5; t < 95; t++)
                Assert.InRange(track.Frequency[t], hertz * 0.995f, hertz * 1.005f);
        }
    }

    [Fact]
    public void A_missing_fundamental_is_still_the_pitch()
    {
        var signal = new float[16000];
        for (int i = 0; i < signal.Length; i++)
            for (int harmonic = 3; harmonic <= 8; harmonic++)
                signal[i] += 0.1f * MathF.Sin(2 * MathF.PI * 120 * harmonic * i / 16000f);
        PitchTrack track = new PitchTracker().Track(signal);
        for (int t = 5; t < 95; t++)
            Assert.InRange(track.Frequency[t], 119f, 121f);
    }

    [Fact]
    public void Noise_and_silence_are_unvoiced()
    {
        var random = new Random(1);
        float[] noise = [.. Enumerable.Range(0, 16000).Select(_ => (float)(random.NextDouble() - 0.5))];
        Assert.InRange(new PitchTracker().Track(noise).Frequency.Count(f => f > 0), 0, 5);
        Assert.All(new PitchTracker().Track(new float[16000]).Frequency, f => Assert.Equal(0, f));
    }

    [Fact]
    public void A_chirp_is_followed_at_the_middle_of_each_frame()
    {
        var signal = new float[32000];
        double phase = 0;
        for (int i = 0; i < signal.Length; i++)
        {
            phase += 2 * Math.PI * (100 + 50.0 * i / 16000) / 16000;
            for (int harmonic = 1; harmonic <= 6; harmonic++)
                signal[i] += (float)(0.2 / harmonic * Math.Sin(harmonic * phase));
        }
        PitchTrack track = new PitchTracker().Track(signal);
        for (int t = 5; t < 195; t++)
        {
            float expected = 100 + 50f * (t * 160 + 80) / 16000;
            Assert.InRange(track.Frequency[t], expected * 0.99f, expected * 1.01f);
        }
    }

    [Fact]
    public void Voicing_starts_and_ends_with_the_sound()
    {
        var signal = new float[32000];
        Pulses(150, 16000).CopyTo(signal, 8000);
        PitchTrack track = new PitchTracker().Track(signal);
        int first = Array.FindIndex(track.Frequency, f => f > 0), last = Array.FindLastIndex(track.Frequency, f => f > 0);
        Assert.InRange(first, 48, 53);
        Assert.InRange(last, 146, 151);
    }

    [Fact]
    public void An_expected_range_settles_a_true_octave_doubt()
    {
        // Alternating pulses, the second weaker: 100 Hz and 200 Hz are both defensible.
        var signal = new float[16000];
        float[] strong = Pulses(100), weak = Pulses(100);
        for (int i = 0; i < signal.Length; i++)
            signal[i] = strong[i] + (i >= 80 ? 0.6f * weak[i - 80] : 0);
        float low = Median(new PitchTracker(new PitchTrackerOptions { Expected = (80, 130) }).Track(signal).Frequency);
        float high = Median(new PitchTracker(new PitchTrackerOptions { Expected = (170, 240) }).Track(signal).Frequency);
        Assert.InRange(low, 99, 101);
        Assert.InRange(high, 198, 202);
    }

    [Fact]
    public void Energy_is_the_logarithm_of_the_root_mean_square()
    {
        PitchTrack track = new PitchTracker().Track(Sine(200));
        Assert.Equal(Math.Log(0.5 / Math.Sqrt(2)), track.LogEnergy[50], 0.02);
        Assert.Equal(-11.5f, new PitchTracker().Track(new float[1600]).LogEnergy[3]);
    }

    [Fact]
    public void Lengths_round_up_and_nothing_gives_nothing()
    {
        Assert.Equal(0, new PitchTracker().Track([]).Frames);
        Assert.Equal(1, new PitchTracker().Track(new float[1]).Frames);
        Assert.Equal(2, new PitchTracker().Track(new float[161]).Frames);
    }

    [Theory]
    [InlineData(20, 500)]
    [InlineData(100, 2000)]
    [InlineData(300, 200)]
    public void Impossible_ranges_are_refused(float low, float high) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new PitchTracker(new PitchTrackerOptions { MinFrequency = low, MaxFrequency = high }));

    private static float Median(float[] values) => values.Where(v => v > 0).Order().ElementAt(values.Count(v => v > 0) / 2);

    private static float[] Sine(float hertz, int length = 16000) =>
        [.. Enumerable.Range(0, length).Select(i => 0.5f * MathF.Sin(2 * MathF.PI * hertz * i / 16000f))];

    /// <summary>A band-limited pulse train through one resonance, like a vowel.</summary>
    private static float[] Pulses(float hertz, int length = 16000)
    {
        var signal = new float[length];
        int harmonics = (int)(7000 / hertz);
        for (int i = 0; i < length; i++)
        {
            double phase = 2 * Math.PI * hertz * i / 16000;
            double half = Math.Sin(phase / 2);
            double value = Math.Abs(half) < 1e-9 ? harmonics : Math.Sin((harmonics + 0.5) * phase) / (2 * half) - 0.5;
            signal[i] = (float)(value / harmonics);
        }
        float a = 0, b = 0;
        for (int i = 0; i < length; i++)
        {
            float y = signal[i] + 1.8f * 0.95f * a - 0.9025f * b;
            (a, b) = (y, a);
            signal[i] = 0.05f * y;
        }
        return signal;
    }
}
