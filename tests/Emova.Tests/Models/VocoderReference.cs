using Emova.Models.Speech;

namespace Emova.Tests.Models;

/// <summary>
/// The vocoder's definition written down in double precision without any cleverness: whole sequences, Fourier sums,
/// no streaming. The oracle for <see cref="SourceFilterVocoder"/>.
/// </summary>
internal sealed class VocoderReference(RandomVocoder model, double[] style)
{
    private const int Hop = 160, Length = 512, Bins = 257;

    private VocoderConfig Config => model.Config;

    public double[][] EncodeUnits(int[] units)
    {
        double[][] oneHot = [.. units.Select(unit =>
        {
            double[] row = new double[Config.Levels.Sum()];
            int offset = 0;
            foreach (int level in Config.Levels)
            {
                row[offset + unit % level] = 1;
                unit /= level;
                offset += level;
            }

            return row;
        })];
        return Stack("encoder", Config.EncoderLayers, Linear("unit_embedding", oneHot));
    }

    public int[] Durations(double[][] encoded, double speed)
    {
        double wanted = 0;
        int total = 0;
        return [.. Linear("duration_output", Stack("duration", Config.DurationLayers, encoded)).Select(logits =>
        {
            double sum = logits.Sum(Math.Exp), run = 0;
            for (int n = 1; n <= logits.Length; n++) run += Math.Exp(logits[n - 1]) / sum * n;
            wanted += run * Config.FramesPerUnit / speed;
            int frames = Math.Max(1, (int)Math.Round(wanted) - total);
            total += frames;
            return frames;
        })];
    }

    public double[][] Frames(double[][] encoded, int[] durations)
    {
        List<double[]> expanded = [], positions = [];
        for (int i = 0; i < durations.Length; i++)
        {
            for (int j = 0; j < durations[i]; j++)
            {
                expanded.Add(encoded[i]);
                positions.Add([(j + 0.5) / durations[i], durations[i] / 16.0]);
            }
        }

        return Stack("frame", Config.FrameLayers, Sum([.. expanded], Linear("run_position", [.. positions])));
    }

    /// <summary>Pitch (Hz or 0) and log energy.</summary>
    public (double[] Frequency, double[] LogEnergy) Prosody(double[][] states, double pitchShift)
    {
        double[][] values = Linear("prosody_output", Stack("prosody", Config.ProsodyLayers, states));
        return (
            [.. values.Select(v => v[1] > 0 ? Math.Exp(v[0] * 0.5 + 5 + pitchShift * Math.Log(2) / 12) : 0)],
            [.. values.Select(v => v[2] * 3 - 6)]);
    }

    public double[] Render(double[][] states, double[] frequency, double[] logEnergy, float[] noise)
    {
        double[][] inputs = [.. frequency.Select((f, t) => new[] { f > 0 ? (Math.Log(f) - 5) / 0.5 : 0, f > 0 ? 1.0 : 0, (logEnergy[t] + 6) / 3 })];
        double[][] h = Stack("decoder", Config.DecoderLayers, Sum(states, Linear("prosody_input", inputs)));
        double[][] filters = Linear("output", [.. h.Select(Normalize)]);

        int frames = frequency.Length;
        double[] pulses = new double[frames * Hop];
        double phase = 0;
        for (int s = 0; s < pulses.Length; s++)
        {
            double f = frequency[s / Hop];
            if (f == 0) continue;
            phase += 2 * Math.PI * f / 16000;
            double k = Math.Floor(7800 / f);
            // The sum of the harmonics itself, where the runtime has its closed form.
            double sum = 0;
            for (int harmonic = 1; harmonic <= k; harmonic++) sum += Math.Cos(harmonic * phase);
            pulses[s] = Math.Clamp(sum * Math.Sqrt(2 / k), -20, 20);
        }

        double[] window = [.. Enumerable.Range(0, Length).Select(i => 0.5 - 0.5 * Math.Cos(2 * Math.PI * i / Length))];
        double[] y = new double[frames * Hop];
        for (int t = 0; t < frames; t++)
        {
            double[] e = new double[Length], n = new double[Length];
            for (int i = 0; i < Length; i++)
            {
                int s = t * Hop - Length / 2 + i;
                if (s < 0 || s >= pulses.Length) continue;
                (e[i], n[i]) = (pulses[s] * window[i], noise[s] * window[i]);
            }

            double[] ah = [.. filters[t].Take(Bins).Select(a => Math.Clamp(a, -12, 4))], an = [.. filters[t].Skip(Bins).Select(a => Math.Clamp(a, -12, 4))];
            double[] cepstrum = Inverse([.. ah.Select(a => new System.Numerics.Complex(a, 0))]);
            for (int i = 1; i < Length; i++) cepstrum[i] *= i < Length / 2 ? 2 : i == Length / 2 ? 1 : 0;
            System.Numerics.Complex[] minimumPhase = [.. Forward(cepstrum).Select(System.Numerics.Complex.Exp)], es = Forward(e), ns = Forward(n);
            double[] piece = Inverse([.. Enumerable.Range(0, Bins).Select(k => es[k] * minimumPhase[k] + ns[k] * Math.Exp(an[k]))]);
            for (int i = 0; i < Length; i++)
            {
                int s = t * Hop - Length / 2 + i;
                if (s >= 0 && s < y.Length) y[s] += piece[i] * window[i];
            }
        }

        for (int s = 0; s < y.Length; s++)
        {
            double sum = 0;
            for (int t = s / Hop - 4; t <= s / Hop + 4; t++)
            {
                int i = s - t * Hop + Length / 2;
                if (i >= 0 && i < Length) sum += window[i] * window[i];
            }

            y[s] /= sum;
        }

        return y;
    }

    private double[][] Stack(string name, int layers, double[][] x)
    {
        int d = Config.HiddenSize, k = Config.KernelSize;
        for (int layer = 0; layer < layers; layer++)
        {
            string prefix = $"{name}.{layer}";
            double[] depthwise = model.Weight($"{prefix}.depthwise.weight"), bias = model.Weight($"{prefix}.depthwise.bias"), gamma = model.Weight($"{prefix}.gamma");
            double[] modulation = Linear($"{prefix}.modulation", [style])[0];
            double[][] h = [.. x.Select((_, t) =>
            {
                double[] row = [.. bias];
                for (int j = 0; j < k; j++)
                {
                    int source = t + j - k / 2;
                    if (source < 0 || source >= x.Length) continue;
                    for (int c = 0; c < d; c++) row[c] += depthwise[c * k + j] * x[source][c];
                }

                row = Normalize(row);
                for (int c = 0; c < d; c++) row[c] = row[c] * (1 + modulation[c]) + modulation[d + c];
                return row;
            })];
            double[][] wide = [.. Linear($"{prefix}.pointwise1", h).Select(row => row.Select(Gelu).ToArray())];
            h = Linear($"{prefix}.pointwise2", wide);
            x = [.. x.Select((row, t) => row.Select((v, c) => v + gamma[c] * h[t][c]).ToArray())];
        }

        return x;
    }

    private double[][] Linear(string name, double[][] x)
    {
        double[] weight = model.Weight($"{name}.weight"), bias = model.Weight($"{name}.bias");
        return [.. x.Select(row => bias.Select((b, n) =>
        {
            double sum = b;
            for (int i = 0; i < row.Length; i++) sum += weight[n * row.Length + i] * row[i];
            return sum;
        }).ToArray())];
    }

    private static double[][] Sum(double[][] a, double[][] b) => [.. a.Zip(b, (x, y) => x.Zip(y, (u, v) => u + v).ToArray())];

    private static double[] Normalize(double[] x)
    {
        double mean = x.Average(), variance = x.Average(v => (v - mean) * (v - mean));
        return [.. x.Select(v => (v - mean) / Math.Sqrt(variance + 1e-5))];
    }

    private static double Gelu(double x)
    {
        // erf by its series; the arguments here are small.
        double z = x / Math.Sqrt(2), term = z, sum = z;
        for (int n = 1; n < 200; n++)
        {
            term *= -z * z / n;
            sum += term / (2 * n + 1);
        }

        return 0.5 * x * (1 + Math.Clamp(2 / Math.Sqrt(Math.PI) * sum, -1, 1));
    }

    private static System.Numerics.Complex[] Forward(double[] x) =>
        [.. Enumerable.Range(0, Bins).Select(k =>
        {
            System.Numerics.Complex sum = 0;
            for (int i = 0; i < Length; i++) sum += x[i] * System.Numerics.Complex.FromPolarCoordinates(1, -2 * Math.PI * (k * i % Length) / Length);
            return sum;
        })];

    private static double[] Inverse(System.Numerics.Complex[] x) =>
        [.. Enumerable.Range(0, Length).Select(i =>
        {
            double sum = x[0].Real + x[Bins - 1].Real * (i % 2 == 0 ? 1 : -1);
            for (int k = 1; k < Bins - 1; k++) sum += 2 * (x[k] * System.Numerics.Complex.FromPolarCoordinates(1, 2 * Math.PI * (k * i % Length) / Length)).Real;
            return sum / Length;
        })];
}
