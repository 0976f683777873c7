using Emova.Checkpoints;
using Emova.Tests;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests;

/// <summary>The twin against the reference's own outputs (tests/data/fixtures/s2u_basic).</summary>
public sealed class SpiralEncoderTwinTests : IDisposable
{
    private static readonly string[] Buffers = ["encoder.mask_emb", "encoder.wav2spec.featurizer.window", "quantizer._levels_np", "quantizer._basis"];

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGradients = no_grad();
    private readonly SafetensorsFile _expected = SafetensorsFile.Open(Golden("outputs.safetensors"));

    public void Dispose()
    {
        _expected.Dispose();
        _noGradients.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData("single0", 0)]
    [InlineData("single1", 1)]
    public void FeaturesMatchTheReference(string name, int row)
    {
        float[] wave = Waves()[row];
        LogMelFrontEnd frontEnd = new(Load().FilterBank);
        AssertClose(_expected.ReadFloat32($"{name}.features"), frontEnd.Features([wave]), 1e-3f);
    }

    [Fact]
    public void EncoderQuantizerAndPhoneHeadMatchTheReference()
    {
        SpiralEncoder encoder = Load();
        long[] shape = [.. _expected.Tensors["features"].Shape];
        int[] frames = [.. _expected.ReadInt64("features_len").Select(n => (int)n)];
        int[] units = [.. _expected.ReadInt64("encoder_len").Select(n => (int)n)];
        Assert.Equal(units, frames.Select(SpiralEncoder.Units));
        Tensor states = encoder.Encode(tensor(_expected.ReadFloat32("features"), shape), frames);
        AssertValid(_expected.ReadFloat32("encoder_out"), states, units, 5e-5f);
        Tensor bounded = encoder.Bounded(states), quantized = SpiralEncoder.Quantize(bounded);
        AssertValid(_expected.ReadFloat32("fsq_bounded"), bounded, units, 5e-5f);
        long[] ids = encoder.UnitIds(quantized).data<long>().ToArray(), expected = _expected.ReadInt64("unit_ids");
        for (int row = 0; row < units.Length; row++)
            Assert.Equal(expected.AsSpan(row * 44, units[row]).ToArray(), ids.AsSpan(row * 44, units[row]).ToArray());
        Tensor logits = encoder.Phones(quantized, units).narrow(1, 0, 41);
        AssertValid(_expected.ReadFloat32("ctc_logits"), logits, units, 5e-5f);
    }

    [Theory]
    [InlineData("single0", 0)]
    [InlineData("single1", 1)]
    public void UnitsFromTheWaveMatchTheReferenceAlsoInABatch(string name, int row)
    {
        SpiralEncoder encoder = Load();
        float[][] waves = Waves();
        int[] frames = [.. waves.Select(wave => LogMelFrontEnd.Frames(wave.Length))];
        Tensor bounded = encoder.Bounded(encoder.Encode(new LogMelFrontEnd(encoder.FilterBank).Features(waves), frames));
        long[] ids = encoder.UnitIds(SpiralEncoder.Quantize(bounded))[row].data<long>().ToArray();
        int units = SpiralEncoder.Units(frames[row]);
        Assert.Equal(_expected.ReadInt64($"{name}.unit_ids").AsSpan(0, units).ToArray(), ids.AsSpan(0, units).ToArray());
    }

    [Fact]
    public void RoundingPassesGradientsThrough()
    {
        using IDisposable gradients = enable_grad();
        Tensor bounded = tensor(new[] { -1.7f, 0.2f, 2.6f }).requires_grad_();
        Tensor quantized = SpiralEncoder.Quantize(bounded);
        Assert.Equal([-2f, 0f, 3f], quantized.detach().data<float>().ToArray());
        quantized.sum().backward();
        Assert.Equal([1f, 1f, 1f], bounded.grad!.data<float>().ToArray());
    }

    private static SpiralEncoder Load()
    {
        ParameterStore store = new();
        SpiralEncoder encoder = new(SpeechEncoderDimensions.Parse(ModelConfig.Section(Golden("config.json"), "dims")), store.Root);
        store.Load(Golden("weights.safetensors"), "", Buffers);
        return encoder;
    }

    private static float[][] Waves()
    {
        using SafetensorsFile inputs = SafetensorsFile.Open(Golden("inputs.safetensors"));
        float[] audio = inputs.ReadFloat32("audio");
        long[] lengths = inputs.ReadInt64("audio_len");
        int stride = audio.Length / lengths.Length;
        return [.. lengths.Select((length, i) => audio.AsSpan(i * stride, (int)length).ToArray())];
    }

    private static void AssertValid(float[] expected, Tensor actual, int[] units, float tolerance)
    {
        float[] values = actual.contiguous().data<float>().ToArray();
        Assert.Equal(expected.Length, values.Length);
        long time = actual.shape[1], width = actual.shape[2];
        for (int row = 0; row < units.Length; row++)
            for (long i = 0; i < Math.Min(units[row], time) * width; i++)
                Assert.Equal(expected[row * time * width + i], values[row * time * width + i], tolerance);
    }

    private static void AssertClose(float[] expected, Tensor actual, float tolerance)
    {
        float[] values = actual.contiguous().data<float>().ToArray();
        Assert.Equal(expected.Length, values.Length);
        for (int i = 0; i < values.Length; i++) Assert.Equal(expected[i], values[i], tolerance);
    }

    private static string Golden(string file) => Fixtures.File("s2u_basic", file);
}
