using System.Text.Json;
using CsCheck;
using Emova.Checkpoints;
using Emova.Models.Speech.Vits;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>Units to samples against the reference, for every run the case lists; the first step that differs is named.</summary>
[Trait("Category", "Golden")]
public sealed class VitsSynthesisTests
{
    private const double Tolerance = 5e-5;

    public static TheoryData<string> Cases => Fixtures.Cases("u2s_synth");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EveryRunIsTheReferences(string folder)
    {
        using FixtureCase golden = Fixtures.Open(folder);
        VitsDecoder decoder = Load(golden);
        foreach (JsonElement run in golden.Config.GetProperty("runs").EnumerateArray()) Check(golden, decoder, run);
    }

    [Fact]
    public void StreamedPiecesAreTheWholeUtterance()
    {
        using FixtureCase golden = Fixtures.Open("u2s_synth");
        VitsDecoder decoder = Load(golden);
        Random random = new(1);
        int[] units = [.. Enumerable.Range(0, 120).Select(_ => random.Next(4096))];
        VitsOptions options = new() { Style = [.. Enumerable.Range(0, decoder.StyleDim).Select(_ => random.NextSingle() - 0.5f)], Seed = 5, Speed = 0.2f };
        VitsPlan plan = decoder.Plan(units, options);
        float[] prior = new float[plan.FrameCount * decoder.Config.InterChannels];
        plan.Prior(0, prior, options);
        float[] whole = decoder.Generator.Forward(decoder.Flow.Reverse(prior, options.Style), options.Style);
        Assert.Equal(plan.FrameCount * decoder.Config.SamplesPerFrame, whole.Length);
        Assert.Equal(whole, decoder.Synthesize(units, options));
        Assert.True(decoder.Stream(units, options).Count() > 3);
    }

    /// <summary>The kernels of the case are those of the published decoder, and so is the context.</summary>
    [Fact]
    public void FramesInAnyPiecesAreTheWholeAndTheFirstSampleNeedsLittleLookAhead()
    {
        using FixtureCase golden = Fixtures.Open("u2s_synth");
        VitsDecoder decoder = Load(golden);
        Gen.Select(Gen.Int[1, 90], Gen.Int[1, 40].Array[1, 8], Gen.Int).Sample((frames, pieces, seed) =>
        {
            int channels = decoder.Config.InterChannels;
            Random random = new(seed);
            float[] prior = [.. Enumerable.Range(0, frames * channels).Select(_ => random.NextSingle() - 0.5f)];
            float[] style = [.. Enumerable.Range(0, decoder.StyleDim).Select(_ => random.NextSingle() - 0.5f)];
            float[] whole = decoder.Generator.Forward(decoder.Flow.Reverse(prior, style), style);
            ResidualCouplingFlow.Stream flow = decoder.Flow.StartReverse(style);
            HiFiGanGenerator.Stream generator = decoder.Generator.Start(style);
            List<float> streamed = [];
            for (int at = 0, piece = 0; at < frames; piece++)
            {
                int count = Math.Min(pieces[piece % pieces.Length], frames - at);
                at += count;
                ReadOnlySpan<float> z = flow.Push(prior.AsSpan((at - count) * channels, count * channels), last: at == frames);
                streamed.AddRange(generator.Push(z, last: at == frames));
                double lookAhead = at * (double)decoder.Config.SamplesPerFrame - streamed.Count;
                Assert.True(lookAhead <= 0.55 * decoder.SampleRate, $"{lookAhead} samples wait after {at} frames");
            }

            Assert.Equal(whole, streamed);
        }, iter: 15);
    }

    internal static VitsDecoder Load(FixtureCase golden)
    {
        VitsConfig config = VitsConfig.Read(new ConfigSection("config.json", golden.Config));
        WeightLoader weights = new(golden.Weights);
        VitsDecoder decoder = VitsDecoder.Load(config, weights);
        weights.Finish();
        return decoder;
    }

    private static void Check(FixtureCase golden, VitsDecoder decoder, JsonElement run)
    {
        string name = run.GetProperty("name").GetString()!;
        VitsConfig config = decoder.Config;
        SafetensorsFile inputs = golden.Inputs;
        long[] ids = inputs.ReadInt64($"{name}.x"), lengths = inputs.ReadInt64($"{name}.x_lengths");
        int rows = lengths.Length, units = ids.Length / rows, frames = golden.ShapeOf($"{name}.y_mask")[2], audioLength = golden.ShapeOf($"{name}.audio")[2];
        int latents = audioLength / config.SamplesPerFrame;
        Recorder steps = new(rows);
        for (int b = 0; b < rows; b++)
        {
            int length = (int)lengths[b];
            int[] row = [.. ids.AsSpan(b * units, length).ToArray().Select(id => (int)id - config.FirstUnitRow)];
            VitsOptions options = new()
            {
                Style = inputs.Tensors.ContainsKey($"{name}.style") ? inputs.ReadFloat32($"{name}.style").AsSpan(b * config.StyleDim, config.StyleDim).ToArray() : [],
                NoiseScale = Number("ns", 0),
                DurationNoiseScale = Number("nsw", 0),
                Speed = 1 / Number("ls", 1),
                MaximumFrames = run.TryGetProperty("max_len", out JsonElement limit) ? limit.GetInt32() : null,
                GivenDurationNoise = Noise("dp_noise", 2, length),
                GivenPriorNoise = Noise("z_noise", config.InterChannels, null),
            };
            VitsPlan plan = decoder.Plan(row, options);
            int channels = config.InterChannels;
            steps.Add("enc_p.x", b, plan.Units.Hidden, config.HiddenChannels, units);
            steps.Add("enc_p.m", b, plan.Units.Mean, channels, units);
            steps.Add("enc_p.logs", b, plan.Units.LogDeviation, channels, units);
            steps.Add("logw", b, plan.LogDurations, 1, units);
            steps.Add("w", b, [.. plan.LogDurations.Select(value => MathF.Exp(value) / options.Speed)], 1, units);
            steps.Add("w_ceil", b, [.. plan.FramesPerUnit.Select(count => (float)count)], 1, units);
            float[] mean = Expanded(plan.Units.Mean), prior = new float[plan.FrameCount * channels];
            steps.Add("m_p_expanded", b, mean, channels, frames);
            steps.Add("logs_p_expanded", b, Expanded(plan.Units.LogDeviation), channels, frames);
            plan.Prior(0, prior, options);
            steps.Add("z_p", b, prior, channels, frames);
            float[] z = decoder.Flow.Reverse(prior, options.Style);
            steps.Add("z", b, z, channels, frames);

            // In a batch the generator runs on over the padding, where the latent frames are zero.
            float[] padded = new float[latents * channels];
            z.AsSpan(0, Math.Min(z.Length, padded.Length)).CopyTo(padded);
            float[] audio = decoder.Generator.Forward(padded, options.Style);
            steps.Add("audio", b, audio, 1, audioLength);
            if (rows == 1) golden.AssertClose($"{name}.audio", decoder.Synthesize(row, options), Tolerance);

            float[] Expanded(float[] perUnit)
            {
                List<float> expanded = [];
                for (int u = 0; u < length; u++)
                {
                    for (int i = 0; i < plan.FramesPerUnit[u]; i++) expanded.AddRange(perUnit.AsSpan(u * channels, channels));
                }

                return [.. expanded];
            }

            float[]? Noise(string kind, int noiseChannels, int? count)
            {
                if (!inputs.Tensors.TryGetValue($"{name}.{kind}", out TensorInfo? info)) return null;
                int total = (int)info.Shape[2];
                return ChannelFirst.Row(inputs.ReadFloat32(info.Name), b, noiseChannels, total, count ?? total);
            }
        }

        steps.AssertAll(golden, name);

        float Number(string key, float fallback) => run.TryGetProperty(key, out JsonElement value) ? value.GetSingle() : fallback;
    }

    /// <summary>Steps of a batch in the order of computation.</summary>
    private sealed class Recorder(int rows)
    {
        private readonly List<(string Name, float[] Values)> steps = [];

        public void Add(string name, int b, float[] values, int channels, int total)
        {
            if (b == 0) steps.Add((name, new float[rows * channels * total]));
            ChannelFirst.Put(values, steps.Single(step => step.Name == name).Values, b, channels, total);
        }

        public void AssertAll(FixtureCase golden, string run)
        {
            foreach ((string name, float[] values) in steps)
            {
                string output = $"{run}.{name}";
                if (golden.Outputs.Tensors.ContainsKey(output))
                    golden.AssertClose(output, values, name == "w_ceil" ? 0 : Tolerance);
            }
        }
    }
}
