using Emova.Training.Modules.Speech;
using Emova.Training.Stages;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests;

public sealed class SpeechTrainingTests : IDisposable
{
    private static readonly AugmentationSettings Off = new()
    {
        Rate = 0, VocalTract = 0, Stretch = 0, Noise = 0, Echo = 0, Floor = 0, Smear = 0, TimeMask = 0, BandMask = 0,
    };

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void BatchesCoverEachEpochOnceWithinTheBudget()
    {
        Random random = new(3);
        int[] lengths = [.. Enumerable.Range(0, 200).Select(_ => random.Next(1000, 5000))];
        LengthBuckets buckets = new(lengths, 20_000, seed: 4);
        List<int> seen = [];
        long step = 0;
        for (; seen.Count < lengths.Length; step++)
        {
            int[] batch = buckets.Batch(step);
            Assert.True(batch.Length * (long)batch.Max(i => lengths[i]) <= 20_000);
            seen.AddRange(batch);
        }
        Assert.Equal(Enumerable.Range(0, lengths.Length), seen.Order());
        Assert.NotEqual(buckets.Batch(0), buckets.Batch(step)); // the next epoch is another shuffle
        Assert.Equal(new LengthBuckets(lengths, 20_000, 4).Batch(step + 3), buckets.Batch(step + 3)); // as after a resume
    }

    [Fact]
    public void WithoutDisguiseAViewIsThePlainFeatures()
    {
        (SpeechAugmentation augmentation, LogMelFrontEnd frontEnd) = Augmentation(Off);
        float[][] waves = [Tone(8000), Tone(12345)];
        Random random = new(1);
        int[] frames = augmentation.StretchedFrames(waves, random);
        Assert.Equal(waves.Select(wave => LogMelFrontEnd.Frames(wave.Length)), frames);
        Tensor difference = (augmentation.View(waves, frames, random) - frontEnd.Features(waves)).abs();
        Assert.True(difference.max().item<float>() < 1e-3f);
    }

    [Fact]
    public void TwoViewsDifferButStayAligned()
    {
        (SpeechAugmentation augmentation, _) = Augmentation(new AugmentationSettings { Noise = 0, Floor = 0, Echo = 0, TimeMask = 0, BandMask = 0 });
        // Half silence, half tone: the change must fall on the same frame in both views, whatever their playback rates.
        float[] wave = new float[16000];
        Tone(8000).CopyTo(wave, 8000);
        Random random = new(2);
        for (int trial = 0; trial < 5; trial++)
        {
            int[] frames = augmentation.StretchedFrames([wave], random);
            Tensor first = augmentation.View([wave], frames, random), second = augmentation.View([wave], frames, random);
            Assert.Equal(first.shape, second.shape);
            Assert.Equal(0, first.shape[2] % 16);
            Assert.True((first - second).abs().max().item<float>() > 0.1f);
            Assert.InRange(Onset(first, frames[0]) - Onset(second, frames[0]), -4, 4);
            Assert.InRange(Onset(first, frames[0]), frames[0] / 2 - 4, frames[0] / 2 + 4);
        }
    }

    [Fact]
    public void SpectralDistanceIsZeroOnlyForTheSameWave()
    {
        SpectralLoss loss = new();
        Tensor wave = tensor(Tone(8000), 1, 8000);
        (Tensor spectrum, Tensor mel) = loss.Distance(wave, wave);
        Assert.Equal(0, spectrum.item<float>());
        Assert.Equal(0, mel.item<float>());
        Tensor louder = (wave * 1.1f).requires_grad_();
        (spectrum, mel) = loss.Distance(louder, wave);
        Assert.InRange(mel.item<float>(), 0.01f, 0.1f); // ln 1.1 where there is signal
        (spectrum + mel).backward();
        Assert.True(louder.grad!.isfinite().all().item<bool>());
    }

    [Fact]
    public void PulsesHaveTheirPitchAndUnitPower()
    {
        SourceFilterSynthesis synthesis = new(160, 512);
        float[] pulses = synthesis.Pulses([.. Enumerable.Repeat(200f, 50), .. new float[10]]);
        double power = pulses.Take(8000).Sum(x => (double)x * x) / 8000;
        Assert.InRange(power, 0.9, 1.1);
        for (int i = 80; i < 7900; i++) Assert.Equal(pulses[i], pulses[i + 80], 2e-3f); // 200 Hz = 80 samples
        Assert.All(pulses.Skip(8000), x => Assert.Equal(0, x));
    }

    [Fact]
    public void FlatFiltersReturnTheirSources()
    {
        SourceFilterSynthesis synthesis = new(160, 512);
        Tensor pulses = tensor(synthesis.Pulses([.. Enumerable.Repeat(150f, 20)]), 1, 3200), noise = randn(1, 3200);
        Tensor zero = zeros(1, 20, 257), silent = full([1, 20, 257], -40f, ScalarType.Float32);
        // Inside, the frames' squared windows add up to one, so a filter of magnitude one changes nothing.
        Tensor pulseOnly = synthesis.Synthesize(zero, silent, pulses, noise), noiseOnly = synthesis.Synthesize(silent, zero, pulses, noise);
        Assert.True((pulseOnly - pulses).narrow(1, 320, 2400).abs().max().item<float>() < 1e-3f);
        Assert.True((noiseOnly - noise).narrow(1, 320, 2400).abs().max().item<float>() < 1e-3f);
    }

    private static (SpeechAugmentation, LogMelFrontEnd) Augmentation(AugmentationSettings settings)
    {
        float[] bank = Emova.Media.SlaneyMelFilterbank.Create(16000, 512, 80);
        LogMelFrontEnd frontEnd = new(tensor(bank, 1, 80, 257));
        return (new SpeechAugmentation(settings, frontEnd, 80), frontEnd);
    }

    private static int Onset(Tensor features, int frames)
    {
        float[] level = features[0].mean([0L]).contiguous().data<float>().ToArray();
        float middle = (level.Take(frames).Min() + level.Take(frames).Max()) / 2;
        return Array.FindIndex(level, value => value > middle);
    }

    private static float[] Tone(int samples)
    {
        Random random = new(samples);
        return [.. Enumerable.Range(0, samples).Select(i => (float)(0.3 * Math.Sin(i * 0.07) + 0.2 * Math.Sin(i * 0.31) * Math.Sin(i * 0.002) + 0.05 * random.NextDouble()))];
    }
}
