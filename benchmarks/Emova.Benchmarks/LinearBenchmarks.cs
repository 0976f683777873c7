using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>Packed products against a plain loop and against one vectorized dot product per output.</summary>
[MemoryDiagnoser]
public class LinearBenchmarks
{
    private float[] weight = [];
    private float[] x = [];
    private float[] y = [];
    private LinearWeight packed = null!;
    private WorkerTeam team = null!;

    /// <summary>Rows, outputs, inputs: decoding and prefill of EMOVA-Tiny, and one layer of a 0.5B model.</summary>
    [Params("1x704x256", "64x704x256", "1x4864x896", "64x4864x896")]
    public string Shape { get; set; } = "";

    [Params(1, 2)]
    public int Threads { get; set; }

    private int Rows => Number(0);

    private int Outputs => Number(1);

    private int Inputs => Number(2);

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        weight = [.. Enumerable.Range(0, Outputs * Inputs).Select(_ => random.NextSingle() - 0.5f)];
        x = [.. Enumerable.Range(0, Rows * Inputs).Select(_ => random.NextSingle() - 0.5f)];
        y = new float[Rows * Outputs];
        packed = LinearWeight.Pack(weight, Outputs, Inputs);
        team = new WorkerTeam(Threads);
    }

    [GlobalCleanup]
    public void Cleanup() => team.Dispose();

    [Benchmark(Baseline = true)]
    public void PlainLoop()
    {
        for (int r = 0; r < Rows; r++)
        {
            for (int n = 0; n < Outputs; n++)
            {
                float sum = 0;
                for (int k = 0; k < Inputs; k++) sum += x[r * Inputs + k] * weight[n * Inputs + k];
                y[r * Outputs + n] = sum;
            }
        }
    }

    [Benchmark]
    public void DotPerOutput()
    {
        for (int r = 0; r < Rows; r++)
        {
            for (int n = 0; n < Outputs; n++)
                y[r * Outputs + n] = TensorPrimitives.Dot<float>(x.AsSpan(r * Inputs, Inputs), weight.AsSpan(n * Inputs, Inputs));
        }
    }

    [Benchmark]
    public void Packed() => packed.Multiply(x, Rows, Inputs, y, Outputs, team);

    private int Number(int index) => int.Parse(Shape.Split('x')[index], System.Globalization.CultureInfo.InvariantCulture);
}
