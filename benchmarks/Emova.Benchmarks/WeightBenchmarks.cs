using System.Globalization;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>
/// Products with each weight format, in shapes of 0.5B and 3B models on one thread: one row (decoding) and 64 rows (part of a prompt).
/// For one row the weights come from memory, as they do while decoding, and the baseline only reads as many bytes. Many short
/// iterations: on a busy machine the shortest one is the one to look at.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, warmupCount: 3, iterationCount: 60)]
[MinColumn]
[HideColumns("Job", "Error", "StdDev", "Ratio", "RatioSD")]
public class WeightBenchmarks
{
    // More than any cache of the machines at hand holds.
    private const long WorkingSet = 64 << 20;

    private LinearWeight[] weights = [];
    private float[] x = [];
    private float[] y = [];
    private WorkerTeam team = null!;
    private MachineProbe.Reading reading = null!;
    private int next;

    /// <summary>Outputs and inputs.</summary>
    [Params("9728x896", "896x4864", "2048x11008")]
    public string Shape { get; set; } = "";

    [Params(nameof(WeightFormat.Float32), nameof(WeightFormat.BFloat16), nameof(WeightFormat.Int8), nameof(WeightFormat.Int4))]
    public string Format { get; set; } = "";

    [Params(1, 64)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        (int outputs, int inputs) = Sizes(Shape);
        WeightFormat format = Enum.Parse<WeightFormat>(Format);
        Random random = new(1);
        float[] row = [.. Enumerable.Range(0, inputs).Select(_ => random.NextSingle() - 0.5f)];
        weights = [.. Enumerable.Range(0, Copies(format, outputs, inputs)).Select(_ =>
        {
            LinearWeight weight = LinearWeight.Create(format, outputs, inputs);
            for (int n = 0; n < outputs; n++) weight.SetRows(n, row);
            return weight;
        })];
        x = [.. Enumerable.Range(0, Rows * inputs).Select(_ => random.NextSingle() - 0.5f)];
        y = new float[Rows * outputs];
        team = new WorkerTeam(1);
        reading = new MachineProbe.Reading(WorkingSet);
    }

    [GlobalCleanup]
    public void Cleanup() => team.Dispose();

    /// <summary>Reads as many bytes as all the weights have.</summary>
    [Benchmark(Baseline = true)]
    public void Read() => reading.Run(team);

    /// <summary>A product with every one of the weights.</summary>
    [Benchmark]
    public void Multiply()
    {
        for (int i = 0; i < weights.Length; i++)
        {
            LinearWeight weight = weights[next++ % weights.Length];
            weight.Multiply(x, Rows, weight.Inputs, y, weight.Outputs, team);
            if (Rows > 1) return; // arithmetic bound: one is enough
        }
    }

    /// <summary>Bytes read, or operations of a product of several rows, by one call of a method.</summary>
    internal static (double Amount, string Unit) WorkOf(string method, string shape, string format, int rows)
    {
        if (method == nameof(Read)) return (WorkingSet, "GB/s");
        (int outputs, int inputs) = Sizes(shape);
        WeightFormat parsed = Enum.Parse<WeightFormat>(format);
        return rows > 1
            ? (2.0 * rows * outputs * inputs, "GOP/s")
            : ((double)Copies(parsed, outputs, inputs) * LinearWeight.SizeFor(parsed, outputs, inputs), "GB/s");
    }

    private static (int Outputs, int Inputs) Sizes(string shape)
    {
        int[] sizes = [.. shape.Split('x').Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
        return (sizes[0], sizes[1]);
    }

    private static int Copies(WeightFormat format, int outputs, int inputs) => (int)Math.Max(1, WorkingSet / LinearWeight.SizeFor(format, outputs, inputs));
}
