using System.Diagnostics;
using Emova.Numerics;
using Emova.Numerics.Emitted;

namespace Emova.Benchmarks;

/// <summary>
/// Products by intrinsics and by emitted code, in turns, in one run, set against what the machine can do at most:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- kernels [--threads 2] [--rounds 20] [--rows 256]</c>.
/// One row reads more weights than any cache holds; many rows meet one weight.
/// </summary>
internal static class KernelComparison
{
    private const long WorkingSet = 128 << 20;

    private static readonly (string Name, int Outputs, int Inputs)[] Shapes =
    [
        ("0.5B qkv", 1152, 896), ("0.5B output", 896, 896), ("0.5B gate, up", 9728, 896), ("0.5B down", 896, 4864), ("3B down", 2048, 11008),
    ];

    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        int threads = options.Number("--threads", 2), rounds = options.Number("--rounds", 20), rows = options.Number("--rows", 256);
        using WorkerTeam team = new(threads);
        MachineProbe.Reading reading = new(WorkingSet);
        double arithmetic = MachineProbe.ByteOperations(team) / 1e9, floats = MachineProbe.FloatOperations(team) / 1e9;
        Console.WriteLine($"{threads} threads, best of {rounds} rounds; emitted kernels {(EmittedKernels.Instance is null ? "absent" : "present")}; bytes with intrinsics {arithmetic:0} GOP/s, floats {floats:0} GOP/s");
        Console.WriteLine($"{"",-16}{"",-14}{"one row: intrinsics",22}{"emitted",18}{"reading",12}   {rows + " rows: intrinsics",22}{"emitted",12}{"ratio",8}");
        foreach ((string name, int outputs, int inputs) in Shapes)
        {
            foreach (WeightFormat format in (WeightFormat[])[WeightFormat.Int4, WeightFormat.Int8, WeightFormat.BFloat16Pairs, WeightFormat.BFloat16, WeightFormat.Float32])
                Measure(name, outputs, inputs, format, rounds, rows, team, reading);
        }

        return 0;
    }

    private static void Measure(string name, int outputs, int inputs, WeightFormat format, int rounds, int rows, WorkerTeam team, MachineProbe.Reading reading)
    {
        Random random = new(1);
        float[] x = [.. Enumerable.Range(0, rows * inputs).Select(_ => random.NextSingle() - 0.5f)], y = new float[rows * outputs];
        LinearWeight[] weights = [.. Enumerable.Range(0, (int)(WorkingSet / LinearWeight.SizeFor(format, outputs, inputs)) + 1).Select(_ => LinearWeight.Create(format, outputs, inputs))];
        foreach (LinearWeight weight in weights)
        {
            for (int n = 0; n < outputs; n++) weight.SetRows(n, x.AsSpan(0, inputs));
        }

        double bytes = weights.Sum(weight => (double)weight.SizeInBytes), operations = 2.0 * rows * outputs * inputs;
        double[] best = [.. Enumerable.Repeat(double.PositiveInfinity, 5)];
        for (int round = 0; round < rounds; round++)
        {
            Time(0, () => One(VectorWidth.V512));
            Time(1, () => One(VectorWidth.Emitted));
            Time(2, () => reading.Run(team));
            Time(3, () => weights[0].Multiply(x, rows, inputs, y, outputs, team, VectorWidth.V512));
            Time(4, () => weights[0].Multiply(x, rows, inputs, y, outputs, team, VectorWidth.Emitted));
        }

        double limit = reading.Bytes / best[2];
        Console.WriteLine(
            $"{name,-16}{format,-14}{$"{bytes / best[0] / 1e9:0.0} GB/s {bytes / best[0] / limit:0 %}",22}{$"{bytes / best[1] / 1e9:0.0} {bytes / best[1] / limit:0 %}",18}{limit / 1e9,12:0.0}" +
            $"   {$"{operations / best[3] / 1e9:0} GOP/s",22}{operations / best[4] / 1e9,12:0}{best[3] / best[4],8:0.00}");

        void One(VectorWidth width)
        {
            foreach (LinearWeight weight in weights) weight.Multiply(x, 1, inputs, y, outputs, team, width);
        }

        void Time(int what, Action work)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            best[what] = Math.Min(best[what], Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }
}
