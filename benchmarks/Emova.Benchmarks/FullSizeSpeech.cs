using System.Diagnostics;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Models.Speech.Vits;
using Emova.Numerics;
using Emova.Tests;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using Emova.Training.Runtime;
using TorchSharp;

namespace Emova.Benchmarks;

/// <summary>
/// The published speech tokenizer's networks in full size with random weights, beside the same modules in libtorch, in one run and in
/// turns: <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- speech [--seconds 10] [--threads 2] [--rounds 3]</c>.
/// Beside the time that passed stands the processor time per thread, which other programs on the machine disturb less.
/// </summary>
internal static class FullSizeSpeech
{
    // What the published decoder speaks of, roughly: 20 merged units per second.
    private const int UnitsPerSecond = 20;

    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        int seconds = options.Number("--seconds", 10), threads = options.Number("--threads", 2), rounds = options.Number("--rounds", 3);
        LibTorchLoader.EnsureLoadable();
        torch.set_num_threads(threads);
        WorkerTeam.Shared.ThreadCount = threads;
        using TemporaryFolder folder = new();
        using IDisposable scope = torch.NewDisposeScope();
        List<Row> rows = [.. Hearing(folder, seconds), .. Speaking(folder, seconds)];
        for (int round = 0; round <= rounds; round++)
        {
            foreach (Row row in rows) row.Measure(keep: round > 0);
        }

        Console.WriteLine($"{seconds} s of speech, {threads} threads, best of {rounds} rounds; real-time factors");
        Console.WriteLine($"{"",-34}{"elapsed",10}{"median",10}{"processor",11}");
        foreach (Row row in rows) Console.WriteLine($"{row.Name,-34}{row.Elapsed.Min() / seconds,10:0.000}{Median(row.Elapsed) / seconds,10:0.000}{row.Processor.Min() / threads / seconds,11:0.000}");
        foreach ((string name, int own, int peer) in ((string, int, int)[])[("speech to units", 0, 1), ("frames to speech", 2, 3), ("frames to speech in bfloat16", 4, 3)])
        {
            Console.WriteLine(
                $"{name}: libtorch takes {rows[peer].Elapsed.Min() / rows[own].Elapsed.Min():0.00} times as long ({rows[peer].Processor.Min() / rows[own].Processor.Min():0.00} in processor time); " +
                $"largest difference of the results {rows[own].Result.Zip(rows[peer].Result, (a, b) => Math.Abs(a - b)).Max():0.0e0} of {rows[own].Result.Max(Math.Abs):0.00}");
        }

        return 0;
    }

    /// <summary>Features to states of the speech encoder.</summary>
    private static IEnumerable<Row> Hearing(TemporaryFolder folder, int seconds)
    {
        SpiralConfig config = SpiralConfig.Released;
        ParameterStore store = new();
        Training.Modules.Speech.SpiralEncoder twin = new(new SpeechEncoderDimensions
        {
            Features = config.Features, Levels = [.. config.Levels], DecFilters = config.DecoderFilters, NLabels = config.LabelCount,
            Blocks = [.. config.Blocks.Select(block => new SpeechEncoderDimensions.Block
            {
                Filters = [.. block.Filters], ConvPos = block.PositionKernel, ConvPosGroups = block.PositionGroups, Layers = block.Layers, Ffn = block.IntermediateSize, Heads = block.Heads,
            })],
        }, store.Root);
        string path = folder["encoder.safetensors"];
        store.Save(path);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Models.Speech.SpiralEncoder encoder = Models.Speech.SpiralEncoder.Load(config, new WeightLoader(file));
        Random random = new(1);
        float[] speech = [.. Enumerable.Range(0, seconds * LogMelSpectrogram.SampleRate).Select(_ => random.NextSingle() - 0.5f)];
        LogMelFeatures features = encoder.Features(speech);
        torch.Tensor input = torch.tensor(features.Data, [1, features.Frames, features.Features]).transpose(1, 2).contiguous();
        yield return new Row("speech to units, this runtime", () => encoder.EncodeStates(encoder.Features(speech)));
        yield return new Row("  states from features, libtorch", () =>
        {
            using IDisposable inference = torch.inference_mode();
            using torch.Tensor states = twin.Encode(input, [features.ValidFrames]);
            return [.. states.contiguous().data<float>()];
        });
    }

    /// <summary>Prior frames to samples, and what comes before the frames.</summary>
    private static IEnumerable<Row> Speaking(TemporaryFolder folder, int seconds)
    {
        VitsConfig config = VitsConfig.Released;
        Random random = new(2);
        WeightLoader names = WeightLoader.ForListing([], CheckpointNames.Detect([]));
        VitsDecoder.Load(config, names);
        SafetensorsWriter.Write(folder["decoder.safetensors"], names.Wanted.Select(wanted => RandomTensor(wanted.Name, [.. wanted.Shape], random)));
        SafetensorsFile file = SafetensorsFile.Open(folder["decoder.safetensors"]);
        VitsDecoder decoder = VitsDecoder.Load(config, new WeightLoader(file));
        TorchVits peer = new(config, new WeightLoader(file));
        int frames = (int)Math.Ceiling(seconds * config.SampleRate / (double)config.SamplesPerFrame);
        float[] prior = [.. Enumerable.Range(0, frames * config.InterChannels).Select(_ => random.NextSingle() * 2 - 1)];
        float[] style = [.. Enumerable.Range(0, config.StyleDim).Select(_ => random.NextSingle() / 8 - 0.0625f)];
        int[] units = [.. Enumerable.Range(0, seconds * UnitsPerSecond).Select(i => i * 97 % 4096)];
        VitsDecoder rounded = VitsDecoder.Load(config, new WeightLoader(file) { ConvolutionFormat = WeightFormat.BFloat16Pairs });
        yield return new Row("frames to speech, this runtime", () => Decode(decoder));
        yield return new Row("frames to speech, libtorch", () => peer.Decode(prior, style));
        yield return new Row("frames to speech, bfloat16", () => Decode(rounded));
        yield return new Row("units to frames, this runtime", () => decoder.UnitEncoder.Encode(units) is var encoded
            ? decoder.Durations.LogDurations(encoded.Hidden, style, new float[2 * units.Length]) : []);

        float[] Decode(VitsDecoder decoder)
        {
            ResidualCouplingFlow.Stream flow = decoder.Flow.StartReverse(style);
            HiFiGanGenerator.Stream generator = decoder.Generator.Start(style);
            List<float> samples = [];
            const int piece = 32;
            for (int start = 0; start < frames; start += piece)
            {
                int count = Math.Min(piece, frames - start);
                samples.AddRange(generator.Push(flow.Push(prior.AsSpan(start * config.InterChannels, count * config.InterChannels), start + count == frames), start + count == frames));
            }

            return [.. samples];
        }
    }

    private static TensorData RandomTensor(string name, long[] shape, Random random)
    {
        long count = shape.Aggregate(1L, (product, size) => product * size);
        bool gain = name.EndsWith("GAMMA", StringComparison.Ordinal) || name.EndsWith("weight_g", StringComparison.Ordinal);
        float scale = gain || shape.Length == 1 ? 0.1f : 1.7f / MathF.Sqrt(count / shape[0]);
        return TensorData.F32(name, shape, [.. Enumerable.Range(0, (int)count).Select(_ => (gain ? 1 : 0) + scale * (random.NextSingle() * 2 - 1))]);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private sealed class Row(string name, Func<float[]> work)
    {
        public string Name => name;

        public List<double> Elapsed { get; } = [];

        public List<double> Processor { get; } = [];

        public float[] Result { get; private set; } = [];

        public void Measure(bool keep)
        {
            using Process process = Process.GetCurrentProcess();
            TimeSpan before = process.TotalProcessorTime;
            long start = Stopwatch.GetTimestamp();
            Result = work();
            double elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
            process.Refresh();
            double processor = (process.TotalProcessorTime - before).TotalSeconds;
            if (!keep) return;
            Elapsed.Add(elapsed);
            Processor.Add(processor);
        }
    }
}
