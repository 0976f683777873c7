using System.Text.Json;
using Emova.Checkpoints;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Reading = Emova.Models.Speech;

namespace Emova.Training.Tests;

/// <summary>The training twins and the runtime classes give the same output from the same file.</summary>
public sealed class SpeechParityTests : IDisposable
{
    private const string EncoderConfig = """
        {"type": "SpiralFsqCtc", "sample_rate": 16000, "features": 80, "levels": [8, 8, 8, 8], "dec_filters": 24, "n_labels": 7, "blocks": [
          {"filters": [24, 32, 32], "conv_pos": 16, "conv_pos_groups": 4, "layers": 1, "ffn": 64, "heads": 4},
          {"filters": [64, 48], "conv_pos": 16, "conv_pos_groups": 4, "layers": 2, "ffn": 96, "heads": 4}]}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-parity").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGradients = no_grad();

    public void Dispose()
    {
        _noGradients.Dispose();
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(16000, false)]
    [InlineData(23457, false)]
    [InlineData(23457, true)]
    public void SpeechEncodersAgree(int samples, bool brainFloat)
    {
        using JsonDocument config = JsonDocument.Parse(EncoderConfig);
        random.manual_seed(11);
        ParameterStore store = new();
        SpiralEncoder twin = new(SpeechEncoderDimensions.Parse(config.RootElement), store.Root);
        string path = Path.Combine(_folder, "encoder.safetensors");
        SafetensorsWriter.Write(path, store.Export(brainFloat ? DType.BF16 : DType.F32, "speech_encoder."));
        if (brainFloat) store.RoundToBrainFloat();

        using SafetensorsFile file = SafetensorsFile.Open(path);
        WeightLoader weights = new(file);
        Reading.SpiralEncoder runtime = Reading.SpiralEncoder.Load(Reading.SpiralConfig.Read(new ConfigSection("test", config.RootElement)), weights.Push("speech_encoder"));
        weights.Finish();

        float[] wave = Wave(samples);
        int[] frames = [LogMelFrontEnd.Frames(wave.Length)];
        Tensor states = twin.Encode(new LogMelFrontEnd(twin.FilterBank).Features([wave]), frames);
        Tensor bounded = twin.Bounded(states);
        float[] expected = runtime.EncodeStates(runtime.Features(wave));
        int units = SpiralEncoder.Units(frames[0]);
        float[] actual = states.contiguous().data<float>().ToArray();
        for (int i = 0; i < units * twin.Width; i++) Assert.Equal(expected[i], actual[i], 1e-4f);

        int[] spoken = runtime.Encode(wave);
        long[] ids = twin.UnitIds(SpiralEncoder.Quantize(bounded)).data<long>().ToArray();
        float[] values = bounded.contiguous().data<float>().ToArray();
        Assert.Equal(units, spoken.Length);
        for (int i = 0; i < units; i++)
        {
            // A value within the tolerance of a rounding border may fall on either side.
            bool clear = values.AsSpan(4 * i, 4).ToArray().All(v => Math.Abs(Math.Abs(v - Math.Floor(v)) - 0.5) > 5e-4);
            if (clear) Assert.Equal(spoken[i], ids[i]);
        }
        Assert.True(spoken.Distinct().Count() > 3);

        Tensor logits = twin.Phones(SpiralEncoder.Quantize(bounded), [units]);
        float[] phones = runtime.PhoneLogits(ids.Take(units).Select(id => (int)id).ToArray());
        float[] twinPhones = logits.contiguous().data<float>().ToArray();
        for (int i = 0; i < phones.Length; i++) Assert.Equal(phones[i], twinPhones[i], 1e-4f);
    }

    private static float[] Wave(int samples)
    {
        Random random = new(samples);
        double phase = 0;
        return [.. Enumerable.Range(0, samples).Select(i =>
        {
            phase += 2 * Math.PI * (140 + 60 * Math.Sin(i / 3000.0)) / 16000;
            return (float)(0.3 * Math.Sin(phase) * Math.Sin(i / 900.0) + 0.2 * Math.Sin(7.3 * phase) + 0.05 * (random.NextDouble() - 0.5));
        })];
    }
}
