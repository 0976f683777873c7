using CsCheck;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class ResamplerTests
{
    [Theory]
    [InlineData(44100, 16000)]
    [InlineData(48000, 16000)]
    [InlineData(8000, 16000)]
    [InlineData(22050, 16000)]
    [InlineData(16000, 22050)]
    [InlineData(15999, 16000)]
    public void EveryOutputIsTheWindowedSincSum(int from, int to)
    {
        Random random = new(from);
        float[] x = new float[701];
        for (int i = 0; i < x.Length; i++) x[i] = random.NextSingle() * 2 - 1;
        float[] y = Resampler.Resample(x, from, to);
        Assert.Equal((int)Math.Ceiling((double)x.Length * to / from), y.Length);

        // The formula directly: input sample n contributes with the sinc at its distance from the output's time.
        double cutoff = Math.Min(from, to) * 0.99;
        for (int m = 0; m < y.Length; m++)
        {
            double sum = 0;
            for (int n = 0; n < x.Length; n++)
            {
                double t = ((double)n / from - (double)m / to) * cutoff;
                if (Math.Abs(t) >= 6) continue;
                double window = Math.Pow(Math.Cos(Math.PI * t / 12), 2);
                sum += x[n] * window * (t == 0 ? 1 : Math.Sin(Math.PI * t) / (Math.PI * t)) * cutoff / from;
            }

            Assert.Equal(sum, y[m], 1e-5);
        }
    }

    [Theory]
    [InlineData(44100, 16000, 1000)]
    [InlineData(8000, 16000, 500)]
    [InlineData(16000, 24000, 3000)]
    public void AToneKeepsItsFrequencyAndLevel(int from, int to, double frequency)
    {
        float[] x = new float[from / 4];
        for (int i = 0; i < x.Length; i++) x[i] = (float)Math.Sin(2 * Math.PI * frequency * i / from);
        float[] y = Resampler.Resample(x, from, to);
        for (int m = to / 50; m < y.Length - to / 50; m++) Assert.Equal(Math.Sin(2 * Math.PI * frequency * m / to), y[m], 0.01);
    }

    [Fact]
    public void WhatTheLowerRateCannotHoldIsRemoved()
    {
        float[] x = new float[12000];
        for (int i = 0; i < x.Length; i++) x[i] = (float)Math.Sin(2 * Math.PI * 12000 * i / 48000.0 + 0.7);
        float[] y = Resampler.Resample(x, 48000, 16000);
        Assert.True(y[200..^200].Max(MathF.Abs) < 0.01);
    }

    [Fact]
    public void StreamingInAnyPiecesEqualsTheWholeBitForBit() =>
        Gen.Select(Gen.Int[7, 50], Gen.Int[7, 50], Gen.Int[0, 900].Array[0, 12], Gen.Int[0, 1000]).Sample((from, to, pieces, seed) =>
        {
            Random random = new(seed);
            float[] x = new float[pieces.Sum()];
            for (int i = 0; i < x.Length; i++) x[i] = random.NextSingle() * 2 - 1;
            Resampler stream = new(from * 1000, to * 1000);
            List<float> y = [];
            int at = 0;
            foreach (int piece in pieces)
            {
                y.AddRange(stream.Push(x.AsSpan(at, piece)));
                at += piece;
            }

            y.AddRange(stream.Flush());
            Assert.Equal(new Resampler(from * 1000, to * 1000).PushAll(x), y);
            Assert.Equal((x.Length * to + from - 1) / from, y.Count);
        }, iter: 300);

    [Theory]
    [InlineData(0, 16000)]
    [InlineData(16000, 1000000)]
    public void RatesOutOfRangeAreRefused(int from, int to) => Assert.Throws<ArgumentOutOfRangeException>(() => new Resampler(from, to));

    [Fact]
    public void AFlushedStreamTakesNoMoreInput()
    {
        Resampler resampler = new(2, 3);
        resampler.Flush();
        Assert.Throws<InvalidOperationException>(() => resampler.Push([1f]));
    }
}

file static class ResamplerExtensions
{
    public static float[] PushAll(this Resampler resampler, float[] samples) => [.. resampler.Push(samples), .. resampler.Flush()];
}
