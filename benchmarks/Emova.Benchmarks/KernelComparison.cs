using System.Diagnostics;
using Emova.Numerics;
using Emova.Numerics.Emitted;

namespace Emova.Benchmarks;

/// <summary>
/// Products by intrinsics and by emitted code, in turns, in one run, set against what the machine can do at most:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- kernels [--threads 2] [--rounds 60] [--rows 256]</c>.
/// One row reads more weights than any cache holds; many rows meet one weight.
/// </summary>
internal static class KernelComparison
{
    // Read in turns, so that each piece has left the caches when its turn comes again; a piece takes less than a time slice.
    private const long WorkingSet = 128 << 20, Piece = 8 << 20;

    private static readonly (string Name, int Outputs, int Inputs)[] Shapes =
    [
        ("0.5B qkv", 1152, 896), ("0.5B output", 896, 896), ("0.5B gate, up", 9728, 896), ("0.5B down", 896, 4864), ("3B down", 2048, 11008),
    ];

    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        int threads = options.Number("--threads", 2), rounds = options.Number("--rounds", 60), rows = options.Number("--rows", 256);
        using WorkerTeam team = new(threads);
        MachineProbe.Reading[] reading = [.. Enumerable.Range(0, (int)(WorkingSet / Piece)).Select(_ => new MachineProbe.Reading(Piece))];
        double arithmetic = MachineProbe.ByteOperations(team) / 1e9, floats = MachineProbe.FloatOperations(team) / 1e9;
        Console.WriteLine($"{threads} threads, best of {rounds} rounds; emitted kernels {(EmittedKernels.Instance is null ? "absent" : "present")}; bytes with intrinsics {arithmetic:0} GOP/s, floats {floats:0} GOP/s");
        Console.WriteLine($"{"",-16}{"",-14}{"one row",18}{"reading",12}   {rows + " rows: intrinsics",22}{"emitted",12}{"ratio",8}");
        foreach ((string name, int outputs, int inputs) in Shapes)
        {
            foreach (WeightFormat format in (WeightFormat[])[WeightFormat.Int4, WeightFormat.Int8, WeightFormat.BFloat16Pairs, WeightFormat.BFloat16, WeightFormat.Float32])
                Measure(name, outputs, inputs, format, rounds, rows, team, reading);
        }

        return 0;
    }

    private static void Measure(string name, int outputs, int inputs, WeightFormat format, int rounds, int rows, WorkerTeam team, MachineProbe.Reading[] reading)
    {
        Random random = new(1);
        float[] x = [.. Enumerable.Range(0, rows * inputs).Select(_ => random.NextSingle() - 0.5f)], y = new float[rows * outputs];
        LinearWeight[] weights = [.. Enumerable.Range(0, (int)(WorkingSet / LinearWeight.SizeFor(format, outputs, inputs)) + 1).Select(_ => LinearWeight.Create(format, outputs, inputs))];
        foreach (LinearWeight weight in weights)
        {
            for (int n = 0; n < outputs; n++) weight.SetRows(n, x.AsSpan(0, inputs));
        }

        int next = 0, perPiece = (int)Math.Max(1, Piece / weights[0].SizeInBytes);
        double bytes = perPiece * (double)weights[0].SizeInBytes, operations = 2.0 * rows * outputs * inputs;
        double[] best = [.. Enumerable.Repeat(double.PositiveInfinity, 4)];
        for (int round = 0; round < rounds; round++)
        {
            Time(0, () =>
            {
                for (int i = 0; i < perPiece; i++) weights[next++ % weights.Length].Multiply(x, 1, inputs, y, outputs, team);
            });
            Time(1, () => reading[round % reading.Length].Run(team));
            Time(2, () => weights[0].Multiply(x, rows, inputs, y, outputs, team, VectorWidth.V512));
            Time(3, () => weights[0].Multiply(x, rows, inputs, y, outputs, team, VectorWidth.Emitted));
        }

        double limit = reading[0].Bytes / best[1];
        Console.WriteLine(
            $"{name,-16}{format,-14}{$"{bytes / best[0] / 1e9:0.0} GB/s {bytes / best[0] / limit:0 %}",18}{limit / 1e9,12:0.0}" +
            $"   {$"{operations / best[2] / 1e9:0} GOP/s",22}{operations / best[3] / 1e9,12:0}{best[2] / best[3],8:0.00}");

        void Time(int what, Action work)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            best[what] = Math.Min(best[what], Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }
}
