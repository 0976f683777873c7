using Emova.Checkpoints;
using Emova.Models.Speech.Vits;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>Every module of the speech decoder alone against the reference; each test names the first intermediate that differs.</summary>
[Trait("Category", "Golden")]
public sealed class VitsModulesTests : IDisposable
{
    private const double Tolerance = 5e-5;

    private FixtureCase? opened;
    private VitsDecoder decoder = null!;
    private float[] styles = [];

    public static TheoryData<string> Cases => Fixtures.Cases("u2s_modules");

    private FixtureCase Golden => opened!;

    private VitsConfig Config => decoder.Config;

    public void Dispose() => opened?.Dispose();


    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void UnitEncoder(string folder)
    {
        Open(folder);
        int units = Golden.ShapeOf("enc_p.x")[2], width = Config.HiddenChannels, channels = Config.InterChannels;
        List<string> seen = [];
        List<(string Name, float[] Values)> outputs = [("enc_p.x", Batch(width, units)), ("enc_p.m", Batch(channels, units)), ("enc_p.logs", Batch(channels, units))];
        for (int b = 0; b < Rows; b++)
        {
            EncodedUnits encoded = EncodeRow(b, (name, values) =>
            {
                string output = $"enc_p.act.{name}";
                if (!Golden.Outputs.Tensors.ContainsKey(output)) return;
                seen.Add(output);
                // The reference's rows of the padding are left over from its masks; only what belongs to the sequence counts.
                float[] expected = Golden.Outputs.ReadFloat32(output), actual = values.ToArray();
                int length = Length("enc_p.x_lengths", b);
                float[] wanted = name.StartsWith("attn_weights", StringComparison.Ordinal)
                    ? Square(expected, b, Config.NumHeads, units, length)
                    : ChannelFirst.Row(expected, b, width, units, length);
                Golden.AssertClose($"{output}, row {b}", wanted, actual, Tolerance);
            });
            Put(outputs[0].Values, b, encoded.Hidden, width, units);
            Put(outputs[1].Values, b, encoded.Mean, channels, units);
            Put(outputs[2].Values, b, encoded.LogDeviation, channels, units);
        }

        Assert.NotEmpty(seen);
        foreach ((string name, float[] values) in outputs) Close(name, values);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void StochasticDurations(string folder)
    {
        Open(folder);
        StochasticDurationPredictor predictor = Assert.IsType<StochasticDurationPredictor>(decoder.Durations);
        int units = Golden.ShapeOf("enc_p.x")[2];
        float[] noise = Golden.Inputs.ReadFloat32("dp.reverse_noise"), still = Batch(1, units), drawn = Batch(1, units), likelihood = new float[Rows];
        for (int b = 0; b < Rows; b++)
        {
            int length = Length("enc_p.x_lengths", b);
            float[] hidden = EncodeRow(b).Hidden;
            Put(still, b, predictor.LogDurations(hidden, Style(b), new float[2 * length]), 1, units);
            Put(drawn, b, predictor.LogDurations(hidden, Style(b), [.. ChannelFirst.Row(noise, b, 2, units, length).Select(value => 0.8f * value)]), 1, units);
            likelihood[b] = (float)predictor.NegativeLogLikelihood(
                hidden, Style(b), Input("dp.w", b, 1, length), Input("dp.e_q", b, 2, length));
        }

        Close("dp.logw_noise0", still);
        Close("dp.logw_noise0.8", drawn);
        Golden.AssertClose("dp.nll", likelihood, 0, 1e-5);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void SplineCouplingInBothDirections(string folder)
    {
        Open(folder);
        int units = Golden.ShapeOf("dp.convflow_out")[2];
        DurationFlow flow = new(new WeightLoader(Golden.Weights).Push("dp").Push("flows"), Config.HiddenChannels);
        foreach ((string output, bool inverse) in ((string, bool)[])[("dp.convflow_out", false), ("dp.convflow_inverse_of_in", true)])
        {
            float[] result = Batch(2, units), slopes = new float[Rows];
            for (int b = 0; b < Rows; b++)
            {
                int length = Length("enc_p.x_lengths", b);
                float[] pairs = Input("dp.convflow_in", b, 2, length);
                float[] first = [.. pairs.Where((_, i) => i % 2 == 0)], second = [.. pairs.Where((_, i) => i % 2 == 1)];
                slopes[b] = (float)flow.ApplyCoupling(0, first, second, Input("dp.convflow_g", b, Config.HiddenChannels, length), inverse);
                Put(result, b, [.. first.Zip(second, (x, y) => (float[])[x, y]).SelectMany(pair => pair)], 2, units);
            }

            Close(output, result);
            if (!inverse) Close("dp.convflow_logdet", slopes);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void PosteriorEncoder(string folder)
    {
        Open(folder);
        int frames = Golden.ShapeOf("enc_q.z")[2], channels = Config.InterChannels;
        float[] mean = Batch(channels, frames), deviation = Batch(channels, frames), z = Batch(channels, frames);
        for (int b = 0; b < Rows; b++)
        {
            (float[] rowMean, float[] rowDeviation, float[] rowZ) = Posterior(b, "enc_q.noise", Style(b));
            Put(mean, b, rowMean, channels, frames);
            Put(deviation, b, rowDeviation, channels, frames);
            Put(z, b, rowZ, channels, frames);
        }

        Close("enc_q.m", mean);
        Close("enc_q.logs", deviation);
        Close("enc_q.z", z);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void StyleEncoder(string folder)
    {
        Open(folder);
        int frames = (int)Golden.Inputs.Tensors["enc_q.spec"].Shape[2];
        List<float> masked = [], unmasked = [];
        for (int b = 0; b < Rows; b++)
        {
            float[] spectrogram = Input("enc_q.spec", b, Config.SpectrogramBins, frames);
            masked.AddRange(decoder.StyleEncoder!.Encode(spectrogram, Length("enc_q.spec_lengths", b)));
            unmasked.AddRange(decoder.StyleEncoder.Encode(spectrogram));
        }

        Close("enc_r.style", [.. masked]);
        Close("enc_r.style_nomask", [.. unmasked]);
        Close("enc_r.get_speaker_style_embedding", [.. masked]);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void FlowInBothDirections(string folder)
    {
        Open(folder);
        int frames = Golden.ShapeOf("flow.forward")[2], channels = Config.InterChannels;
        float[] forward = Batch(channels, frames), reverse = Batch(channels, frames);
        for (int b = 0; b < Rows; b++)
        {
            float[] z = Input("flow.z", b, channels, Length("enc_q.spec_lengths", b));
            float[] there = decoder.Flow.Forward(z, Style(b));
            Put(forward, b, there, channels, frames);
            Put(reverse, b, decoder.Flow.Reverse(z, Style(b)), channels, frames);
            Closeness.Assert($"row {b} there and back", z, decoder.Flow.Reverse(there, Style(b)), 1e-4);
        }

        Close("flow.forward", forward);
        Close("flow.reverse_of_z", reverse);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Generator(string folder)
    {
        Open(folder);
        int frames = (int)Golden.Inputs.Tensors["dec.z"].Shape[2], length = Golden.ShapeOf("dec.audio")[2];
        float[] audio = Batch(1, length), plain = Batch(1, length);
        Dictionary<string, float[]> activations = [];
        for (int b = 0; b < Rows; b++)
        {
            float[] z = Input("dec.z", b, Config.InterChannels, frames);
            Dictionary<string, List<float>> row = [];
            Put(audio, b, decoder.Generator.Forward(z, Style(b), (name, values) =>
            {
                if (!row.TryGetValue(name, out List<float>? list)) row[name] = list = [];
                list.AddRange(values);
            }), 1, length);
            Put(plain, b, decoder.Generator.Forward(z, []), 1, length);
            foreach ((string name, List<float> values) in row)
            {
                string output = $"dec.act.{name}";
                if (!Golden.Outputs.Tensors.ContainsKey(output)) continue;
                int[] shape = Golden.ShapeOf(output);
                if (b == 0) activations[output] = Batch(shape[1], shape[2]);
                Put(activations[output], b, [.. values], shape[1], shape[2]);
            }
        }

        Assert.Equal(Golden.Outputs.Tensors.Keys.Count(name => name.StartsWith("dec.act.", StringComparison.Ordinal)), activations.Count);
        foreach ((string name, float[] values) in activations) Close(name, values);
        Close("dec.audio", audio);
        Close("dec.audio_no_g", plain);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void FusedWeights(string folder)
    {
        Open(folder);
        WeightLoader weights = new(Golden.Weights);
        string[] names = [.. Golden.Outputs.Tensors.Keys.Where(name => name.StartsWith("fused.", StringComparison.Ordinal))];
        Assert.NotEmpty(names);
        foreach (string name in names)
        {
            WeightLoader module = weights;
            foreach (string part in name.Split('.')[1..^1]) module = module.Push(part);
            int[] shape = Golden.ShapeOf(name);
            Close(name, WeightNorm.Fuse(module, shape[0], shape[1], shape[2]));
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void TrainingPassBehindTheGivenAlignment(string folder)
    {
        Open(folder);
        int units = Golden.ShapeOf("enc_p.x")[2], frames = Golden.ShapeOf("train.z")[2], channels = Config.InterChannels;
        int sliceLength = Golden.ShapeOf("train.o")[2], sliceFrames = sliceLength / Config.SamplesPerFrame;
        float[] alignment = Golden.Outputs.ReadFloat32("train.attn"), speakers = Golden.Weights.ReadFloat32("emb_g.weight");
        long[] slices = Golden.Outputs.ReadInt64("train.ids_slice"), ids = Golden.Inputs.ReadInt64("train.sid");
        List<float> styleOut = [], durationLoss = [], centroids = [];
        float[] mean = Batch(channels, frames), deviation = Batch(channels, frames), z = Batch(channels, frames), prior = Batch(channels, frames);
        float[] priorMean = Batch(channels, frames), priorDeviation = Batch(channels, frames), audio = Batch(1, sliceLength);
        long allUnits = Golden.Inputs.ReadInt64("enc_p.x_lengths").Sum();
        for (int b = 0; b < Rows; b++)
        {
            int length = Length("enc_p.x_lengths", b);
            EncodedUnits encoded = EncodeRow(b);
            float[] style = decoder.StyleEncoder!.Encode(Input("enc_q.spec", b, Config.SpectrogramBins, frames), Length("enc_q.spec_lengths", b));
            styleOut.AddRange(style);
            (float[] rowMean, float[] rowDeviation, float[] rowZ) = Posterior(b, "train.enc_q_noise", style);
            Put(mean, b, rowMean, channels, frames);
            Put(deviation, b, rowDeviation, channels, frames);
            Put(z, b, rowZ, channels, frames);
            Put(prior, b, decoder.Flow.Forward(rowZ, style), channels, frames);

            float[] durations = new float[length];
            float[] expandedMean = new float[frames * channels], expandedDeviation = new float[frames * channels];
            for (int t = 0; t < frames; t++)
            {
                int unit = alignment.AsSpan((b * frames + t) * units, units).IndexOf(1f);
                if (unit < 0) continue;
                durations[unit]++;
                encoded.Mean.AsSpan(unit * channels, channels).CopyTo(expandedMean.AsSpan(t * channels));
                encoded.LogDeviation.AsSpan(unit * channels, channels).CopyTo(expandedDeviation.AsSpan(t * channels));
            }

            Put(priorMean, b, expandedMean, channels, frames);
            Put(priorDeviation, b, expandedDeviation, channels, frames);
            // From the reference's own states and style: the flow's steep splines enlarge the last digits of what they are given.
            float[] hidden = ChannelFirst.Row(Golden.Outputs.ReadFloat32("enc_p.x"), b, Config.HiddenChannels, units, length);
            float[] referenceStyle = Golden.Outputs.ReadFloat32("train.g").AsSpan(b * Config.StyleDim, Config.StyleDim).ToArray();
            durationLoss.Add((float)(((StochasticDurationPredictor)decoder.Durations).NegativeLogLikelihood(
                hidden, referenceStyle, durations, Input("train.dp_e_q", b, 2, length)) / allUnits));
            float[] slice = rowZ.AsSpan((int)slices[b] * channels, sliceFrames * channels).ToArray();
            Put(audio, b, decoder.Generator.Forward(slice, style), 1, sliceLength);
            centroids.AddRange(speakers.AsSpan((int)ids[b] * Config.StyleDim, Config.StyleDim));
        }

        Close("train.g", [.. styleOut]);
        Close("train.spk_centroid", [.. centroids]);
        Close("train.m_q", mean);
        Close("train.logs_q", deviation);
        Close("train.z", z);
        Close("train.z_p", prior);
        Close("train.m_p", priorMean);
        Close("train.logs_p", priorDeviation);
        Golden.AssertClose("train.l_length", [.. durationLoss], 0, 1e-5);
        Close("train.o", audio);
    }

    private void Open(string folder)
    {
        opened = Fixtures.Open(folder);
        decoder = VitsSynthesisTests.Load(Golden);
        styles = Golden.Inputs.ReadFloat32("g");
    }

    private int Rows => styles.Length / Config.StyleDim;

    private float[] Style(int b) => styles.AsSpan(b * Config.StyleDim, Config.StyleDim).ToArray();

    private int Length(string name, int b) => (int)Golden.Inputs.ReadInt64(name)[b];

    private float[] Batch(int channels, int total) => new float[Rows * channels * total];

    private static void Put(float[] batch, int b, float[] row, int channels, int total) => ChannelFirst.Put(row, batch, b, channels, total);

    /// <summary>The first frames of a row of an input (B, C, T), as (frames, C).</summary>
    private float[] Input(string name, int b, int channels, int frames) =>
        ChannelFirst.Row(Golden.Inputs.ReadFloat32(name), b, channels, (int)Golden.Inputs.Tensors[name].Shape[2], frames);

    private EncodedUnits EncodeRow(int b, Emova.Models.ActivationProbe? probe = null)
    {
        long[] ids = Golden.Inputs.ReadInt64("enc_p.x");
        return decoder.UnitEncoder.Encode([.. ids.AsSpan(b * ids.Length / Rows, Length("enc_p.x_lengths", b)).ToArray().Select(id => (int)id)], probe);
    }

    private (float[] Mean, float[] LogDeviation, float[] Z) Posterior(int b, string noiseName, float[] style)
    {
        int length = Length("enc_q.spec_lengths", b);
        (float[] mean, float[] deviation) = decoder.PosteriorEncoder.Encode(Input("enc_q.spec", b, Config.SpectrogramBins, length), style);
        float[] noise = Input(noiseName, b, Config.InterChannels, length);
        return (mean, deviation, [.. mean.Select((value, i) => value + noise[i] * MathF.Exp(deviation[i]))]);
    }

    private static float[] Square(float[] expected, int b, int heads, int units, int length)
    {
        List<float> rows = [];
        for (int h = 0; h < heads; h++)
        {
            for (int i = 0; i < length; i++) rows.AddRange(expected.AsSpan(((b * heads + h) * units + i) * units, length));
        }

        return [.. rows];
    }

    private void Close(string output, float[] actual) => Golden.AssertClose(output, actual, Tolerance);

}
