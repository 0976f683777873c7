using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class LogMelSpectrogramTests
{
    private const int Bins = 257;

    /// <summary>Filters of the reference: center in Hz and first non-zero weight.</summary>
    [Theory]
    [InlineData(0, 23.383, 1, 0.02837754, 1)]
    [InlineData(1, 46.766, 1, 0.01438901, 2)]
    [InlineData(10, 257.210, 8, 0.02957896, 1)]
    [InlineData(41, 982.076, 31, 0.01832064, 2)]
    [InlineData(64, 1709.395, 54, 0.01121671, 3)]
    [InlineData(127, 7809.395, 244, 0.00004764, 12)]
    public void TheSlaneyFiltersHaveTheReferenceValues(int row, double center, int firstBin, double firstWeight, int nonZero)
    {
        float[] weights = SlaneyMelFilterbank.Create(16000, 512, 128)[(row * Bins)..((row + 1) * Bins)];
        Assert.Equal(nonZero, weights.Count(w => w > 0));
        Assert.Equal(firstBin, Array.FindIndex(weights, w => w > 0));
        Assert.Equal(firstWeight, weights[firstBin], 2e-8);
        double weighted = 0;
        for (int bin = 0; bin < Bins; bin++) weighted += weights[bin] * bin * 31.25;
        Assert.Equal(center, weighted / weights.Sum(w => (double)w), 31.25);
    }

    [Fact]
    public void TheBuiltFilterbankIsTheOneInTheCheckpoint()
    {
        using FixtureCase golden = Fixtures.Open("s2u_basic");
        float[] stored = golden.Weights.ReadFloat32("encoder.wav2spec.featurizer.fb");
        Closeness.Assert("filterbank", stored, SlaneyMelFilterbank.Create(16000, 512, 128), 1e-8, 1e-5);
    }

    [Fact]
    public void BatchRowsAndSingleFilesHaveTheReferenceFeatures()
    {
        using FixtureCase golden = Fixtures.Open("s2u_basic");
        LogMelSpectrogram mel = new(golden.Weights.ReadFloat32("encoder.wav2spec.featurizer.fb"), 128);
        float[] audio = golden.Inputs.ReadFloat32("audio");
        long[] lengths = golden.Inputs.ReadInt64("audio_len"), frames = golden.Outputs.ReadInt64("features_len");
        int row = audio.Length / lengths.Length;
        List<float> batch = [];
        for (int b = 0; b < lengths.Length; b++)
        {
            LogMelFeatures features = mel.Compute(audio.AsSpan(b * row, row), (int)lengths[b]);
            Assert.Equal(frames[b], features.ValidFrames);
            batch.AddRange(Transpose(features));
            LogMelFeatures single = mel.Compute(audio.AsSpan(b * row, (int)lengths[b]));
            golden.AssertClose($"single{b}.features", Transpose(single), 1e-3);
        }

        golden.AssertClose("features", batch.ToArray(), 1e-3);
    }

    [Fact]
    public void MelPowersHaveTheReferenceValues()
    {
        using FixtureCase golden = Fixtures.Open("s2u_basic");
        LogMelSpectrogram mel = new(golden.Weights.ReadFloat32("encoder.wav2spec.featurizer.fb"), 128);
        float[] audio = golden.Inputs.ReadFloat32("audio")[..(int)golden.Inputs.ReadInt64("audio_len")[0]];
        int frames = golden.ShapeOf("sub.mel_power")[^1];
        float[] power = new float[frames * 128];
        mel.MelPower(audio, power);
        golden.AssertClose("sub.mel_power", Transpose(new LogMelFeatures(power, 128, frames, frames)), 1e-6, 1e-4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(256)]
    public void TooShortSpeechIsRefused(int samples)
    {
        LogMelSpectrogram mel = new(SlaneyMelFilterbank.Create(16000, 512, 80), 80);
        EmovaException error = Assert.Throws<EmovaException>(() => mel.Compute(new float[samples]));
        Assert.Contains("at least 257 samples", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheShortestSpeechAndSilenceGiveFiniteFeatures()
    {
        LogMelSpectrogram mel = new(SlaneyMelFilterbank.Create(16000, 512, 80), 80);
        LogMelFeatures features = mel.Compute(new float[257]);
        Assert.Equal((16, 2), (features.Frames, features.ValidFrames));
        Assert.All(features.Data, v => Assert.True(float.IsFinite(v)));
    }

    private static float[] Transpose(LogMelFeatures features)
    {
        float[] result = new float[features.Data.Length];
        for (int t = 0; t < features.Frames; t++)
        {
            for (int band = 0; band < features.Features; band++) result[band * features.Frames + t] = features.Data[t * features.Features + band];
        }

        return result;
    }
}
