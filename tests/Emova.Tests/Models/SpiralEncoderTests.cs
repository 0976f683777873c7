using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Models;

[Trait("Category", "Golden")]
public sealed class SpiralEncoderTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("s2u");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void StatesUnitsAndPhonesFromTheStoredFeaturesAreTheReference(string folder)
    {
        using FixtureCase golden = Fixtures.Open(folder);
        SpiralEncoder encoder = Load(golden);
        float[] stored = golden.Outputs.ReadFloat32("features");
        long[] featureLengths = golden.Outputs.ReadInt64("features_len"), unitLengths = golden.Outputs.ReadInt64("encoder_len");
        int bands = encoder.Config.Features, dimensions = encoder.Quantizer.Dimensions;
        int rows = featureLengths.Length, frames = golden.ShapeOf("features")[2], phoneFrames = golden.ShapeOf("ctc_logits")[1];
        Dictionary<string, List<float>> activations = [];
        List<float> states = [], preQuant = [], bounded = [], codes = [], logits = [];
        List<long> digits = [], units = [];
        for (int b = 0; b < rows; b++)
        {
            float[] data = Transposed(stored.AsSpan(b * bands * frames, bands * frames), bands, frames);
            LogMelFeatures features = new(data, bands, frames, (int)featureLengths[b]);
            float[] rowStates = encoder.EncodeStates(features, (name, values) =>
            {
                if (!activations.TryGetValue(name, out List<float>? list)) activations[name] = list = [];
                list.AddRange(Channels(name) is int channels ? Transposed(values, values.Length / channels, channels) : values.ToArray());
            });
            Assert.Equal(unitLengths[b], encoder.UnitCount(features));
            states.AddRange(rowStates);
            float[] z = encoder.PreQuantize(rowStates);
            preQuant.AddRange(z);
            int[] rowUnits = encoder.Units(rowStates);
            units.AddRange(rowUnits.Select(u => (long)u));
            for (int i = 0; i < z.Length; i++) bounded.Add(encoder.Quantizer.Bound(i % dimensions, z[i]));
            foreach (int unit in rowUnits)
            {
                int[] unitDigits = new int[dimensions];
                float[] unitCodes = new float[dimensions];
                encoder.Quantizer.Digits(unit, unitDigits);
                encoder.Quantizer.Codes(unit, unitCodes);
                digits.AddRange(unitDigits.Select(d => (long)d));
                codes.AddRange(unitCodes);
            }

            logits.AddRange(encoder.PhoneLogits(rowUnits.AsSpan(0, phoneFrames), (int)unitLengths[b]));
        }

        foreach ((string name, List<float> values) in activations) golden.AssertClose($"act.{name}", values.ToArray(), 5e-5);
        Assert.Equal(encoder.Config.Blocks.Sum(block => block.Filters.Count + 1), activations.Count);
        golden.AssertClose("encoder_out", states.ToArray(), 5e-5);
        golden.AssertClose("pre_quant", preQuant.ToArray(), 5e-5);
        golden.AssertClose("fsq_bounded", bounded.ToArray(), 2e-4);
        golden.AssertClose("fsq_codes", codes.ToArray(), 1e-6);
        Assert.Equal(golden.Outputs.ReadInt64("fsq_digits"), digits);
        Assert.Equal(golden.Outputs.ReadInt64("unit_ids"), units);
        golden.AssertClose("ctc_logits", logits.ToArray(), 5e-5);
        float[] probabilities = logits.ToArray();
        int labels = encoder.Config.LabelCount + 1;
        List<long> greedy = [];
        for (int at = 0; at < probabilities.Length; at += labels)
        {
            Span<float> row = probabilities.AsSpan(at, labels);
            greedy.Add(row.IndexOf(VectorMath.Max(row)));
            VectorMath.Softmax(row);
            for (int i = 0; i < labels; i++) row[i] = MathF.Log(row[i]);
        }

        golden.AssertClose("ctc_log_probs", probabilities, 5e-5);
        Assert.Equal(golden.Outputs.ReadInt64("ctc_greedy"), greedy);

        // Transformer outputs are stored (B, T, C), the convolutions' outputs (B, C, T).
        int? Channels(string name)
        {
            int module = int.Parse(name.Split('.')[1]), transformer = -1;
            foreach (SpiralBlockConfig block in encoder.Config.Blocks)
            {
                transformer += block.Filters.Count + 1;
                if (module == transformer) return null;
            }

            return golden.ShapeOf($"act.{name}")[1];
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void FilesBecomeTheReferencesUnitsAndText(string folder)
    {
        using FixtureCase golden = Fixtures.Open(folder);
        using JsonDocument units = JsonDocument.Parse(File.ReadAllText(golden.PathOf("units.json")));
        SpiralEncoder encoder = Load(golden);
        JsonElement.ArrayEnumerator files = units.RootElement.GetProperty("files").EnumerateArray();
        int b = 0;
        foreach (JsonElement file in files)
        {
            AudioClip clip = WavFile.Read(golden.PathOf(file.GetString()!));
            Assert.Equal(16000, clip.SampleRate);
            LogMelFeatures features = encoder.Features(clip.Samples);
            float[] states = encoder.EncodeStates(features);
            golden.AssertClose($"single{b}.encoder_out", states, 2e-3);
            int[] all = encoder.Units(states);
            Assert.Equal(golden.Outputs.ReadInt64($"single{b}.unit_ids"), all.Select(u => (long)u));
            // The reference's single-file path keeps the frames of the padding.
            Assert.Equal(units.RootElement.GetProperty("single_unit_sequence")[b].GetString(), string.Join(' ', all));
            int[] valid = encoder.Encode(clip.Samples);
            Assert.Equal(all[..((clip.Samples.Length + 639) / 640)], valid);
            b++;
        }

        // In a batch, the shorter row is followed by zeros instead of its mirror image.
        float[] audio = golden.Inputs.ReadFloat32("audio");
        long[] lengths = golden.Inputs.ReadInt64("audio_len");
        for (b = 0; b < lengths.Length; b++)
        {
            LogMelFeatures features = encoder.Features(audio.AsSpan(b * audio.Length / lengths.Length, audio.Length / lengths.Length), (int)lengths[b]);
            int[] row = encoder.Units(encoder.EncodeStates(features))[..encoder.UnitCount(features)];
            Assert.Equal(units.RootElement.GetProperty("batch_unit_sequence")[b].GetString(), string.Join(' ', row));
            (int[] collapsed, int[] runs) = SpeechUnits.Collapse(row);
            Assert.Equal(units.RootElement.GetProperty("batch_reduced_unit_sequence")[b].GetString(), string.Join(' ', collapsed));
            Assert.Equal(row.Length, runs.Sum());
            string text = units.RootElement.GetProperty("reduced_as_tokens")[b].GetString()!;
            Assert.Equal(text, SpeechUnits.ToText(collapsed));
            Assert.Equal(collapsed, SpeechUnits.Parse(text, encoder.Quantizer.CodebookSize));
        }
    }

    [Theory]
    [InlineData(24, 1)]
    [InlineData(25, 2)]
    public void StrideTwoPadsByTheParityOfTheChannels(int channels, int padLeft)
    {
        const int frames = 16, outputs = 3;
        Random random = new(channels);
        float[] weight = [.. Enumerable.Range(0, outputs * channels * 5).Select(_ => random.NextSingle() - 0.5f)], bias = [0.1f, 0.2f, 0.3f];
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder["w.safetensors"], [TensorData.F32("weight", [outputs, channels, 5], weight), TensorData.F32("bias", [outputs], bias)]);
        using SafetensorsFile file = SafetensorsFile.Open(folder["w.safetensors"]);
        TimeConvolution convolution = TimeConvolution.Load(new WeightLoader(file), channels, outputs, 5, stride: 2);
        float[] x = [.. Enumerable.Range(0, frames * channels).Select(_ => random.NextSingle() - 0.5f)];
        const int valid = 13;
        float[] y = convolution.Forward(x, frames, valid);
        Assert.Equal(frames / 2, convolution.OutputLength(frames));
        Assert.Equal(frames / 2 * outputs, y.Length);
        for (int t = 0; t < frames / 2; t++)
        {
            for (int o = 0; o < outputs; o++)
            {
                double sum = bias[o];
                for (int k = 0; k < 5; k++)
                {
                    int source = 2 * t + k - padLeft;
                    for (int c = 0; c < channels && source >= 0 && source < valid; c++) sum += (double)weight[(o * channels + c) * 5 + k] * x[source * channels + c];
                }

                Assert.Equal(sum, y[t * outputs + o], 1e-4);
            }
        }
    }

    [Fact]
    public void AShortRowOfAPaddedBatchIsEncodedAndTooLittleAudioIsRefused()
    {
        using FixtureCase golden = Fixtures.Open("s2u_basic");
        SpiralEncoder encoder = Load(golden);
        float[] padded = [.. Noise(200), .. new float[400]];
        LogMelFeatures features = encoder.Features(padded, 200);
        Assert.Equal(2, features.ValidFrames);
        Assert.Equal(1, encoder.UnitCount(features));
        Assert.All(encoder.EncodeStates(features), value => Assert.True(float.IsFinite(value)));
        foreach ((float[] samples, int valid) in ((float[], int)[])[([0.5f], 1), (Noise(256), 256), ([], 0), (padded, 160), (padded, 601)])
            Assert.Throws<EmovaException>(() => encoder.Features(samples, valid));
    }

    [Theory]
    [InlineData(16000, 25)]
    [InlineData(16001, 26)]
    [InlineData(48000, 75)]
    [InlineData(52800, 83)]
    [InlineData(257, 1)]
    public void UnitCountIsTheCeilingOfSamplesOver640(int samples, int expected)
    {
        using FixtureCase golden = Fixtures.Open("s2u_basic");
        Assert.Equal(expected, Load(golden).Encode(Noise(samples)).Length);
    }

    [Fact]
    public void PaddingDoesNotChangeValidUnitStates()
    {
        using FixtureCase golden = Fixtures.Open("s2u_basic");
        SpiralEncoder encoder = Load(golden);
        LogMelFeatures features = encoder.Features(Noise(9000));
        LogMelFeatures longer = features with { Data = [.. features.Data, .. new float[32 * 128]], Frames = features.Frames + 32 };
        int count = encoder.UnitCount(features) * encoder.HiddenSize;
        Assert.Equal(encoder.EncodeStates(features)[..count], encoder.EncodeStates(longer)[..count]);
    }

    [Fact]
    public void ConfigurationsOutOfRangeAreRefused()
    {
        Refused("""{"features": 1}""", "features must be a whole number from 2 to 512");
        Refused("""{"features": 80, "levels": []}""", "levels must be a list");
        Refused("""{"features": 80, "levels": [8, 1]}""", "levels must hold whole numbers from 2 to 64");
        Refused("""{"features": 80, "levels": [8, 8, 8, 8], "dec_filters": 8, "n_labels": 3}""", "blocks must be a list");
        Refused(
            """{"features": 80, "levels": [8], "dec_filters": 8, "n_labels": 3, "blocks": [{"filters": [8, 9], "conv_pos": 4, "conv_pos_groups": 3, "layers": 1, "ffn": 8, "heads": 2}]}""",
            "must be a multiple of heads 2");

        static void Refused(string json, string reason)
        {
            using JsonDocument document = JsonDocument.Parse(json);
            ConfigSection section = new("config.json: speech_encoder_config", document.RootElement);
            Assert.Contains(reason, Assert.Throws<EmovaException>(() => SpiralConfig.Read(section)).Message, StringComparison.Ordinal);
        }
    }

    private static SpiralEncoder Load(FixtureCase golden)
    {
        SpiralConfig config = SpiralConfig.Read(new ConfigSection("s2u_basic/config.json: dims", golden.Config.GetProperty("dims")));
        WeightLoader weights = new(golden.Weights);
        SpiralEncoder encoder = SpiralEncoder.Load(config, weights);
        weights.Finish();
        return encoder;
    }

    private static float[] Noise(int samples)
    {
        Random random = new(samples);
        return [.. Enumerable.Range(0, samples).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static float[] Transposed(ReadOnlySpan<float> x, int rows, int columns)
    {
        float[] y = new float[x.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
        }

        return y;
    }
}
