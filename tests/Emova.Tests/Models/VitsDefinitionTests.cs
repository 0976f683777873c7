using Emova.Checkpoints;
using Emova.Models.Speech.Vits;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>
/// Parts of the speech decoder that no golden case reaches (other upsampling rates, small residual blocks, predicted durations)
/// against plain loops in double precision.
/// </summary>
public sealed class VitsDefinitionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Random random = new(3);
    private SafetensorsFile file = null!;

    public void Dispose()
    {
        file.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void GeneratorWithOtherRatesKernelsAndBlocks(bool paired)
    {
        VitsConfig config = new()
        {
            InterChannels = 3, UpsampleInitialChannel = 12, UpsampleRates = [5, 3], UpsampleKernelSizes = [11, 3], StyleDim = 2,
            ResblockKernelSizes = [3, 5], ResblockDilations = [[1, 2], [2, 6, 1]], PairedResblocks = paired,
        };
        HiFiGanGenerator generator = Build(weights => new HiFiGanGenerator(weights, config));
        const int frames = 9;
        float[] z = Values(frames * 3), style = [0.3f, -0.8f];

        double[][] x = Convolve(Rows(z, 3), "conv_pre", 12, 3, 7, 1);
        foreach (double[] row in x) Add(row, Convolve([[0.3f, -0.8f]], "cond", 12, 2, 1, 1)[0]);
        int channels = 12;
        for (int i = 0; i < 2; i++)
        {
            x = Upsample(Rectified(x, 0.1), $"ups.{i}", channels, channels / 2, config.UpsampleKernelSizes[i], config.UpsampleRates[i]);
            channels /= 2;
            double[][] sum = [.. x.Select(_ => new double[channels])];
            for (int j = 0; j < 2; j++)
            {
                double[][] y = [.. x.Select(row => row.ToArray())];
                for (int d = 0; d < config.ResblockDilations[j].Count; d++)
                {
                    string block = $"resblocks.{2 * i + j}";
                    double[][] h = Convolve(Rectified(y, 0.1), $"{block}.{(paired ? "convs1" : "convs")}.{d}", channels, channels, config.ResblockKernelSizes[j], config.ResblockDilations[j][d]);
                    if (paired) h = Convolve(Rectified(h, 0.1), $"{block}.convs2.{d}", channels, channels, config.ResblockKernelSizes[j], 1);
                    for (int t = 0; t < y.Length; t++) Add(y[t], h[t]);
                }

                for (int t = 0; t < y.Length; t++) Add(sum[t], [.. y[t].Select(value => value / 2)]);
            }

            x = sum;
        }

        double[][] last = Convolve(Rectified(x, 0.01), "conv_post", 1, channels, 7, 1);
        float[] expected = [.. last.Select(row => (float)Math.Tanh(row[0]))];
        Assert.Equal(frames * 15, expected.Length);
        Assert.True(expected.Max(Math.Abs) > 0.01, "the comparison needs a signal");
        Closeness.Assert("samples", expected, generator.Forward(z, style), 2e-5);
    }

    [Fact]
    public void PredictedDurations()
    {
        VitsConfig config = new() { HiddenChannels = 6, StyleDim = 2, UseStochasticDurations = false };
        DurationPredictor predictor = Build(weights => new DurationPredictor(weights, config));
        float[] hidden = Values(11 * 6), style = [0.4f, 0.9f];
        double[][] x = Rows(hidden, 6);
        foreach (double[] row in x) Add(row, Convolve([[0.4f, 0.9f]], "cond", 6, 2, 1, 1)[0]);
        x = Normed(Rectified(Convolve(x, "conv_1", 256, 6, 3, 1), 0), "norm_1");
        x = Normed(Rectified(Convolve(x, "conv_2", 256, 256, 3, 1), 0), "norm_2");
        float[] expected = [.. Convolve(x, "proj", 1, 256, 1, 1).Select(row => (float)row[0])];
        Closeness.Assert("log durations", expected, predictor.LogDurations(hidden, style, []), 5e-5);
    }

    [Fact]
    public void SplineIsItsOwnInverseAndTheIdentityOutside()
    {
        file = Empty();
        float[] parameters = new float[RationalQuadraticSpline.Parameters];
        for (int trial = 0; trial < 200; trial++)
        {
            for (int i = 0; i < parameters.Length; i++) parameters[i] = (random.NextSingle() - 0.5f) * 8;
            double x = (random.NextDouble() - 0.5) * 12, step = 1e-5;
            (double y, double logSlope) = RationalQuadraticSpline.Forward(parameters, x);
            (double back, double inverse) = RationalQuadraticSpline.Inverse(parameters, y);
            Assert.Equal(x, back, 1e-6);
            Assert.Equal(logSlope, -inverse, 1e-5);
            if (Math.Abs(x) > 5) Assert.Equal((x, 0), (y, logSlope));
            else if (Math.Abs(x) < 4.99)
            {
                double numeric = (RationalQuadraticSpline.Forward(parameters, x + step).Y - RationalQuadraticSpline.Forward(parameters, x - step).Y) / (2 * step);
                Assert.Equal(numeric, Math.Exp(logSlope), 1e-2 * Math.Max(1, numeric));
            }
        }

        // Zero parameters: equal bins of width 1, inner slopes 1e-3 + ln 2.
        Array.Clear(parameters);
        Assert.Equal(2, RationalQuadraticSpline.Forward(parameters, 2).Y, 1e-9);
        Assert.Equal(Math.Log(1e-3 + Math.Log(2)), RationalQuadraticSpline.Forward(parameters, 2).LogSlope, 1e-6);
    }

    private T Build<T>(Func<WeightLoader, T> build)
    {
        WeightLoader names = WeightLoader.ForListing([], CheckpointNames.Detect([]));
        build(names);
        List<TensorData> tensors = [];
        foreach ((string name, IReadOnlyList<long> shape) in names.Wanted)
        {
            float[] values = Values((int)shape.Aggregate(1L, (product, size) => product * size));
            // Gains around 2 keep the signal through the layers.
            if (name.EndsWith("weight_g", StringComparison.Ordinal)) values = [.. values.Select(value => value + 2)];
            tensors.Add(TensorData.F32(name, [.. shape], values));
        }

        SafetensorsWriter.Write(folder["w.safetensors"], tensors);
        file = SafetensorsFile.Open(folder["w.safetensors"]);
        WeightLoader weights = new(file);
        T built = build(weights);
        weights.Finish();
        return built;
    }

    private SafetensorsFile Empty()
    {
        SafetensorsWriter.Write(folder["w.safetensors"], []);
        return SafetensorsFile.Open(folder["w.safetensors"]);
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];

    private static double[][] Rows(float[] values, int channels) => [.. values.Chunk(channels).Select(row => row.Select(value => (double)value).ToArray())];

    private static void Add(double[] target, double[] values)
    {
        for (int i = 0; i < target.Length; i++) target[i] += values[i];
    }

    private static double[][] Rectified(double[][] x, double slope) => [.. x.Select(row => row.Select(value => value > 0 ? value : slope * value).ToArray())];

    private double[][] Normed(double[][] x, string name)
    {
        float[] gamma = file.ReadFloat32($"{name}.GAMMA"), beta = file.ReadFloat32($"{name}.BETA");
        return [.. x.Select(row =>
        {
            double mean = row.Average(), deviation = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + 1e-5);
            return row.Select((value, i) => (value - mean) / deviation * gamma[i] + beta[i]).ToArray();
        })];
    }

    /// <summary>The stored weight, or the one that gain and direction give.</summary>
    private double[] Weight(string name, int first)
    {
        if (file.Tensors.ContainsKey($"{name}.weight")) return [.. file.ReadFloat32($"{name}.weight").Select(value => (double)value)];
        float[] gain = file.ReadFloat32($"{name}.weight_g"), direction = file.ReadFloat32($"{name}.weight_v");
        int size = direction.Length / first;
        return [.. direction.Select((value, i) => gain[i / size] * value / Math.Sqrt(direction.Skip(i / size * size).Take(size).Sum(v => (double)v * v)))];
    }

    private double[][] Convolve(double[][] x, string name, int outputs, int inputs, int kernel, int dilation)
    {
        double[] weight = Weight(name, outputs);
        float[]? bias = file.Tensors.ContainsKey($"{name}.bias") ? file.ReadFloat32($"{name}.bias") : null;
        double[][] y = [.. x.Select(_ => new double[outputs])];
        for (int t = 0; t < x.Length; t++)
        {
            for (int o = 0; o < outputs; o++)
            {
                y[t][o] = bias?[o] ?? 0;
                for (int k = 0; k < kernel; k++)
                {
                    int source = t + (k - kernel / 2) * dilation;
                    for (int c = 0; c < inputs && source >= 0 && source < x.Length; c++) y[t][o] += weight[(o * inputs + c) * kernel + k] * x[source][c];
                }
            }
        }

        return y;
    }

    private double[][] Upsample(double[][] x, string name, int inputs, int outputs, int kernel, int rate)
    {
        double[] weight = Weight(name, inputs);
        float[] bias = file.ReadFloat32($"{name}.bias");
        double[][] y = [.. Enumerable.Range(0, x.Length * rate).Select(_ => bias.Select(value => (double)value).ToArray())];
        for (int t = 0; t < x.Length; t++)
        {
            for (int k = 0; k < kernel; k++)
            {
                int target = t * rate + k - (kernel - rate) / 2;
                if (target < 0 || target >= y.Length) continue;
                for (int c = 0; c < inputs; c++)
                {
                    for (int o = 0; o < outputs; o++) y[target][o] += x[t][c] * weight[(c * outputs + o) * kernel + k];
                }
            }
        }

        return y;
    }
}
