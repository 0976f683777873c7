using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Distributed;

/// <summary>Settings of `emova-train check-cluster`.</summary>
public sealed record ClusterCheckSettings : LoopSettings
{
    /// <summary>Inputs and outputs of the network, 8 to 4096.</summary>
    public int Features { get; set; } = 64;

    /// <summary>Width of its hidden layer, 8 to 65536.</summary>
    public int Width { get; set; } = 1024;

    /// <summary>Rows of a batch, 1 to 4096.</summary>
    public int Rows { get; set; } = 16;
}

/// <summary>
/// Shows whether machines can train together before anything large is started on them: who takes part, how fast they exchange data, and
/// a small network trained with the same loop, optimizer and checkpoints as every stage. The checksum of its weights is the same in every
/// run with the same number of processes, also if one of them died in between.
/// </summary>
public static class ClusterCheck
{
    private const int ExchangedValues = 4 << 20;
    private const int Exchanges = 8;

    /// <summary>Trains the network; true when it is complete.</summary>
    /// <param name="settings">size and length</param>
    /// <param name="runs">folder in which the run folder "check-cluster" lies; an unfinished run is continued, a finished one is replaced</param>
    /// <param name="group">the processes</param>
    /// <param name="output">progress</param>
    public static bool Run(ClusterCheckSettings settings, string runs, ProcessGroup group, TextWriter output)
    {
        Require(nameof(settings.Features), settings.Features, 8, 4096);
        Require(nameof(settings.Width), settings.Width, 8, 65536);
        Require(nameof(settings.Rows), settings.Rows, 1, 4096);
        string name = settings.Run ?? "check-cluster";
        if (group.IsFirst && RunFolder.StateOf(runs, name) is RunFolder.State state && state.Step >= state.TotalSteps) Directory.Delete(Path.Combine(runs, name), recursive: true);
        group.Wait();
        output.WriteLine($"{group.Size} processes on {string.Join(", ", group.Gather(Environment.MachineName).CountBy(host => host).Select(host => $"{host.Key} ({host.Value})"))}");
        if (group.Size > 1) output.WriteLine(MeasureExchange(group));

        ParameterStore store = Create(settings);
        AdamW optimizer = new(store, group: group);
        bool complete = new TrainingLoop(settings.OpenRun(runs, name), store, optimizer, settings) { Unit = "rows", Output = output }.Run(batch => Step(settings, store, batch));
        if (complete) output.WriteLine($"weights {Checksum(store)}: the same in every run with {group.Size} processes");
        return complete;
    }

    private static void Require(string name, int value, int least, int most)
    {
        if (value < least || value > most) throw new EmovaException($"{name.ToLowerInvariant()} {value}: expected {least} to {most}");
    }

    private static ParameterStore Create(ClusterCheckSettings settings)
    {
        ParameterStore store = new();
        random.manual_seed(settings.Seed);
        ParameterScope root = store.Root;
        root.Normal("in.weight", 1 / Math.Sqrt(settings.Features), settings.Width, settings.Features);
        root.Full("in.bias", 0, settings.Width);
        root.Normal("frozen", 1 / Math.Sqrt(settings.Features), settings.Features, settings.Features).requires_grad = false;
        root.Normal("out.weight", 1 / Math.Sqrt(settings.Width), settings.Features, settings.Width);
        root.Full("sometimes", 0, settings.Features);
        return store;
    }

    /// <summary>A function to learn, dropout, and a parameter that only every third batch uses: what real models have.</summary>
    private static StepResult Step(ClusterCheckSettings settings, ParameterStore store, long batch)
    {
        Dictionary<string, Tensor> weights = store.Parameters.ToDictionary(pair => pair.Key, pair => pair.Value);
        Tensor input = randn(settings.Rows, settings.Features); // (B, F)
        Tensor target = input.matmul(weights["frozen"]).sin();
        Tensor hidden = nn.functional.dropout(nn.functional.linear(input, weights["in.weight"], weights["in.bias"]).tanh(), 0.1, training: true);
        Tensor output = nn.functional.linear(hidden, weights["out.weight"]);
        if (batch % 3 == 0) output = output.Plus(weights["sometimes"]);
        return new StepResult(output.Minus(target).square().mean(), [], settings.Rows);
    }

    private static string MeasureExchange(ProcessGroup group)
    {
        int stride = ExchangedValues / group.Size;
        float[] send = new float[stride * group.Size], receive = new float[stride * group.Size];
        int[] counts = [.. Enumerable.Repeat(stride, group.Size)];
        group.Exchange(send, counts, receive, stride, stride);
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < Exchanges; i++) group.Exchange(send, counts, receive, stride, stride);
        double seconds = watch.Elapsed.TotalSeconds / Exchanges, bytes = sizeof(float) * (double)stride * (group.Size - 1);
        return string.Create(CultureInfo.InvariantCulture,
            $"each sends {bytes / 1e6:F1} MB to the others in {seconds * 1e3:F1} ms: {bytes / seconds / 1e6:F0} MB/s");
    }

    private static string Checksum(ParameterStore store)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((_, Tensor parameter) in store.Parameters) hash.AppendData(MemoryMarshal.AsBytes(ParameterStore.Values(parameter)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
