using System.Globalization;
using System.Text.Json;
using Emova.Checkpoints;
using Emova.Models.Speech.Vits;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech.Vits;
using Emova.Training.Stages;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Modules;

/// <summary>The training twin of VITS computes what the runtime computes: its exported weights speak the same samples there.</summary>
public sealed class VitsTwinTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("emova-vits").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(true, "1")]
    [InlineData(false, "2")]
    public void EveryPartAgreesWithTheRuntime(bool stochastic, string resblock)
    {
        using IDisposable noGradients = no_grad();
        VitsConfig config = Config(stochastic, resblock);
        random.manual_seed(5);
        ParameterStore store = new();
        VitsModel twin = new(config, store.Root);
        Disturb(store);
        string path = Path.Combine(_folder, "decoder.safetensors");
        SafetensorsWriter.Write(path, store.Export(DType.F32, "decoder."));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        WeightLoader weights = new(file);
        VitsDecoder runtime = VitsDecoder.Load(config, weights.Push("decoder"));
        weights.Finish();

        const int frames = 23;
        int[] units = [3, 0, 7, 14, 2, 9];
        Tensor rows = tensor(units.Select(unit => (long)(config.FirstUnitRow + unit)).ToArray(), 1, units.Length);
        Tensor style = randn(1, config.StyleDim, 1), unitMask = ones([1, 1, units.Length]), frameMask = ones([1, 1, frames]), spectrogram = rand(1, config.SpectrogramBins, frames);
        float[] vector = Values(style);
        Near(runtime.StyleEncoder!.Encode(Rows(spectrogram)), twin.Style(spectrogram, frameMask));
        (float[] mean, float[] deviation) = runtime.PosteriorEncoder.Encode(Rows(spectrogram), vector);
        (Tensor twinMean, Tensor twinDeviation) = twin.Posterior(spectrogram, frameMask, style);
        Near(mean, twinMean.transpose(1, 2));
        Near(deviation, twinDeviation.transpose(1, 2));
        Near(runtime.Flow.Forward(mean, vector), twin.Flow(twinMean, frameMask, style).transpose(1, 2));
        Near(mean, twin.Flow(twin.Flow(twinMean, frameMask, style), frameMask, style, reverse: true).transpose(1, 2));
        Near(runtime.Generator.Forward(mean, vector), twin.Generate(twinMean, style));

        EncodedUnits encoded = runtime.UnitEncoder.Encode([.. units.Select(unit => config.FirstUnitRow + unit)]);
        (Tensor hidden, Tensor priorMean, Tensor priorDeviation) = twin.EncodeUnits(rows, unitMask);
        Near(encoded.Hidden, hidden.transpose(1, 2));
        Near(encoded.Mean, priorMean.transpose(1, 2));
        Near(encoded.LogDeviation, priorDeviation.transpose(1, 2));
        Tensor noise = randn(1, 2, units.Length);
        if (stochastic)
        {
            float[] durations = [1, 4, 2, 7, 1, 3];
            double expected = ((StochasticDurationPredictor)runtime.Durations).NegativeLogLikelihood(encoded.Hidden, vector, durations, Rows(noise));
            Tensor actual = ((VitsStochasticDurations)twin.Durations).NegativeLogLikelihood(hidden, style, unitMask, tensor(durations, 1, 1, units.Length), noise, training: false);
            Assert.Equal(expected, actual.item<float>(), 2e-3);
        }

        Near(runtime.Durations.LogDurations(encoded.Hidden, vector, Rows(noise)), twin.Durations.LogDurations(hidden, style, unitMask, noise));
        Tensor priorNoise = randn(1, config.InterChannels, 400);
        float[] spoken = runtime.Synthesize(units, new VitsOptions { Style = vector, NoiseScale = 1, DurationNoiseScale = 1, GivenDurationNoise = Rows(noise), GivenPriorNoise = Rows(priorNoise) });
        Assert.True(spoken.Max(Math.Abs) > 0.01f);
        Near(spoken, twin.Synthesize(rows, style, noise, priorNoise));
    }

    [Fact]
    public void RowsOfABatchDoNotSeeTheirPadding()
    {
        using IDisposable noGradients = no_grad();
        VitsConfig config = Config(stochastic: true, "1");
        random.manual_seed(6);
        ParameterStore store = new();
        VitsModel twin = new(config, store.Root);
        Disturb(store);
        Tensor rows = tensor(new long[] { 6, 9, 7, 8, 5, 5, 6, 9, 7, 5, 5, 5 }, 2, 6), mask = tensor(new float[] { 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0 }, 2, 1, 6);
        Tensor together = twin.EncodeUnits(rows, mask).Mean[1].narrow(1, 0, 3), alone = twin.EncodeUnits(rows.narrow(0, 1, 1).narrow(1, 0, 3), ones([1, 1, 3])).Mean[0];
        Assert.True((together - alone).abs().max().item<float>() < 1e-5f);
    }

    [Fact]
    public void TheAlignmentIsTheBestOfAll()
    {
        Random generator = new(3);
        for (int trial = 0; trial < 20; trial++)
        {
            int units = 1 + generator.Next(4), frames = units + generator.Next(4);
            float[] scores = [.. Enumerable.Range(0, frames * units).Select(_ => (float)generator.NextDouble())];
            float[] found = MonotonicAlignment.Align(tensor(scores, 1, frames, units), [frames], [units]);
            Assert.Equal(frames, found.Sum());
            Assert.All(found, duration => Assert.True(duration >= 1));
            Assert.Equal(Best(scores, units, 0, 0, frames), Score(scores, units, found), 1e-4);
        }
    }

    [Fact]
    public void ThePublishedConfigurationHasThePublishedNumberOfWeights()
    {
        VitsConfig config = SpeechVitsStage.Read(Path.Combine(Repository.Root, "configs", "models", "vits-official.json"));
        Assert.Equal(VitsConfig.Released with { ResblockKernelSizes = config.ResblockKernelSizes, ResblockDilations = config.ResblockDilations, UpsampleRates = config.UpsampleRates, UpsampleKernelSizes = config.UpsampleKernelSizes }, config);
        ParameterStore store = new();
        _ = new VitsModel(config, store.Root);
        Assert.Equal(41_874_224, store.Count);
        Assert.Equal(876, store.Parameters.Count);
    }

    /// <summary>Zeros of the initial state would make a wrong order or sign go unnoticed.</summary>
    private static void Disturb(ParameterStore store)
    {
        foreach ((_, Tensor parameter) in store.Parameters) parameter.add_(randn_like(parameter) * 0.1f);
    }

    private static double Best(float[] scores, int units, int unit, int start, int frames)
    {
        if (unit == units - 1) return Enumerable.Range(start, frames - start).Sum(t => (double)scores[t * units + unit]);
        double best = double.NegativeInfinity, sum = 0;
        for (int end = start + 1; end <= frames - (units - 1 - unit); end++)
        {
            sum += scores[(end - 1) * units + unit];
            best = Math.Max(best, sum + Best(scores, units, unit + 1, end, frames));
        }

        return best;
    }

    private static double Score(float[] scores, int units, float[] durations)
    {
        double sum = 0;
        for (int unit = 0, t = 0; unit < units; unit++)
        {
            for (int n = 0; n < durations[unit]; n++, t++) sum += scores[t * units + unit];
        }

        return sum;
    }

    private static VitsConfig Config(bool stochastic, string resblock)
    {
        using JsonDocument document = JsonDocument.Parse(Section(stochastic, resblock));
        return VitsConfig.Read(new ConfigSection("test", document.RootElement.Clone()));
    }

    private static string Section(bool stochastic, string resblock) => string.Create(CultureInfo.InvariantCulture, $$$"""
        {"type": "SynthesizerTrn", "n_vocab": 21, "symbols_count": 5, "n_speakers": 0,
         "model": {"inter_channels": 12, "hidden_channels": 16, "filter_channels": 24, "n_heads": 2, "n_layers": 2, "kernel_size": 3, "resblock": "{{{resblock}}}",
           "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 2]], "upsample_rates": [4, 2], "upsample_kernel_sizes": [8, 4],
           "upsample_initial_channel": 16, "gin_channels": 8, "use_sdp": {{{(stochastic ? "true" : "false")}}}, "use_ref_enc": true},
         "data": {"sampling_rate": 8000, "filter_length": 64, "hop_length": 8, "win_length": 64}}
        """);

    private static float[] Values(Tensor tensor) => tensor.contiguous().data<float>().ToArray();

    /// <summary>(1, C, T) as the runtime has it: (T, C).</summary>
    private static float[] Rows(Tensor tensor) => Values(tensor.transpose(1, 2));

    private static void Near(float[] expected, Tensor actual)
    {
        float[] values = Values(actual);
        Assert.Equal(expected.Length, values.Length);
        float scale = Math.Max(1, expected.Max(Math.Abs));
        for (int i = 0; i < values.Length; i++) Assert.Equal(expected[i], values[i], 2e-4f * scale);
    }
}
