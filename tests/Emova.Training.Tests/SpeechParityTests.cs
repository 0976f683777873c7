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

    private const string DecoderConfig = """
        {"type": "SourceFilterVocoder", "sample_rate": 16000, "levels": [8, 8, 8, 8], "hidden_size": 48, "intermediate_size": 96, "style_dim": 16,
         "kernel_size": 7, "encoder_layers": 2, "duration_layers": 2, "max_run": 12, "frame_layers": 2, "prosody_layers": 2, "decoder_layers": 2,
         "frames_per_unit": 4, "hop": 160, "n_fft": 512}
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

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void VocodersAgree(int rows)
    {
        using JsonDocument config = JsonDocument.Parse(DecoderConfig);
        VocoderDimensions dimensions = VocoderDimensions.Parse(config.RootElement);
        random.manual_seed(12);
        ParameterStore store = new();
        SourceFilterVocoder twin = new(dimensions, store.Root);
        string path = Path.Combine(_folder, "decoder.safetensors");
        SafetensorsWriter.Write(path, store.Export(DType.F32, "speech_decoder."));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        WeightLoader weights = new(file);
        Reading.SourceFilterVocoder runtime = Reading.SourceFilterVocoder.Load(Reading.VocoderConfig.Read(new ConfigSection("test", config.RootElement)), weights.Push("speech_decoder"));
        weights.Finish();

        // Rows of different lengths: padding in a batch must not be heard.
        Random generator = new(5);
        VocoderExample[] examples = [.. Enumerable.Range(0, rows).Select(row => Example(generator, 9 + 4 * row, dimensions))];
        VocoderBatch batch = new(examples, dimensions);
        Tensor styles = randn(rows, dimensions.StyleDim), noise = randn_like(batch.Wave);
        Tensor states = twin.EncodeUnits(batch.Units, styles, batch.UnitMask);
        Tensor runs = twin.RunLengths(states, styles, batch.UnitMask).softmax(-1);
        Tensor frames = twin.Expand(states, batch.UnitOfFrame, batch.Position, styles, batch.FrameMask);
        Tensor prosody = twin.Prosody(frames, styles, batch.FrameMask);
        (Tensor harmonic, Tensor noiseFilter) = twin.Filters(frames, batch.Prosody, styles, batch.FrameMask);
        Tensor wave = twin.Synthesis.Synthesize(harmonic * batch.FrameMask, noiseFilter, batch.Pulses(twin.Synthesis), noise * batch.FrameMask.squeeze(2).repeat_interleave(160, 1));

        for (int row = 0; row < rows; row++)
        {
            VocoderExample example = examples[row];
            int count = example.Frames;
            Reading.VoiceSettings voice = new(Values(styles[row]), 0, 1);
            int[] durations = [.. example.Runs.Select(run => run * dimensions.FramesPerUnit)];
            float[] ownNoise = Values(noise[row]).AsSpan(0, count * 160).ToArray();
            Reading.VocoderOutput given = runtime.Render(example.Units, voice, new Reading.VocoderGivens
            {
                FramesPerUnit = durations, Prosody = new Emova.Media.PitchTrack(example.Pitch, example.LogEnergy), Noise = ownNoise,
            });
            float[] twinWave = Values(wave[row]);
            // The last frames of a shorter row still touch excitation of the padding, which a single utterance does not have.
            int compared = rows == 1 ? count * 160 : (count - 4) * 160;
            for (int i = 0; i < compared; i++) Assert.Equal(given.Samples[i], twinWave[i], 1e-4f);
            Assert.True(given.Samples.Max() > 0.01f);

            Reading.VocoderOutput predicted = runtime.Render(example.Units, voice, new Reading.VocoderGivens { FramesPerUnit = durations });
            float[] expected = Values(prosody[row]);
            for (int t = 0; t < count; t++)
            {
                bool voiced = expected[3 * t + 1] > 0;
                if (Math.Abs(expected[3 * t + 1]) > 1e-4f) Assert.Equal(voiced, predicted.Prosody.Frequency[t] > 0);
                if (voiced && predicted.Prosody.Frequency[t] > 0) Assert.Equal(1, predicted.Prosody.Frequency[t] / SourceFilterVocoder.PitchHertz(expected[3 * t]), 1e-3f);
                Assert.Equal(expected[3 * t + 2] * 3 - 6, predicted.Prosody.LogEnergy[t], 1e-3f);
            }

            float[] share = Values(runs[row]);
            double time = 0;
            int[] chosen = runtime.Synthesize(example.Units, voice).FramesPerUnit;
            for (int i = 0, spent = 0; i < example.Units.Length; i++)
            {
                for (int n = 0; n < dimensions.MaxRun; n++) time += share[i * dimensions.MaxRun + n] * (n + 1) * dimensions.FramesPerUnit;
                spent += chosen[i];
                Assert.InRange(spent - time, -0.51, 1.01); // rounded running sum, at least one frame each
            }
        }
    }

    private static VocoderExample Example(Random random, int length, VocoderDimensions dimensions)
    {
        List<int> units = [];
        while (units.Count < length)
        {
            int unit = random.Next(4096);
            if (units.Count == 0 || units[^1] != unit) units.Add(unit);
        }
        int[] runs = [.. units.Select(_ => 1 + random.Next(3))];
        int frames = runs.Sum() * dimensions.FramesPerUnit;
        float[] pitch = [.. Enumerable.Range(0, frames).Select(t => t % 17 < 5 ? 0f : 120 + 40 * MathF.Sin(t / 9f))];
        float[] energy = [.. Enumerable.Range(0, frames).Select(t => -4 - 2 * MathF.Sin(t / 7f))];
        return new VocoderExample([.. units], runs, 0, new float[frames * dimensions.Hop], pitch, energy);
    }

    private static float[] Values(Tensor tensor) => tensor.contiguous().data<float>().ToArray();

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
