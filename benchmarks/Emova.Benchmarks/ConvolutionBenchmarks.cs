using BenchmarkDotNet.Attributes;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>A convolution over time as one product over overlapping rows, against the plain loop.</summary>
[MemoryDiagnoser]
public class ConvolutionBenchmarks
{
    private const int Frames = 512, Channels = 128, Kernel = 5;

    private readonly float[] weight = new float[Channels * Kernel * Channels];
    private readonly float[] x = new float[(Frames + Kernel - 1) * Channels];
    private readonly float[] y = new float[Frames * Channels];
    private LinearWeight packed = null!;
    private WorkerTeam team = null!;

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        for (int i = 0; i < weight.Length; i++) weight[i] = random.NextSingle() - 0.5f;
        for (int i = 0; i < x.Length; i++) x[i] = random.NextSingle() - 0.5f;
        packed = LinearWeight.Pack(weight, Channels, Kernel * Channels);
        team = new WorkerTeam(1);
    }

    [GlobalCleanup]
    public void Cleanup() => team.Dispose();

    [Benchmark(Baseline = true)]
    public void PlainLoop()
    {
        for (int t = 0; t < Frames; t++)
        {
            for (int n = 0; n < Channels; n++)
            {
                float sum = 0;
                for (int i = 0; i < Kernel * Channels; i++) sum += x[t * Channels + i] * weight[n * Kernel * Channels + i];
                y[t * Channels + n] = sum;
            }
        }
    }

    [Benchmark]
    public void OverlappingRows() => packed.Multiply(x, Frames, Channels, y, Channels, team);
}
