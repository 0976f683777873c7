using System.Diagnostics;
using System.Runtime.InteropServices;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>
/// What a long conversation costs: attention of one position, and of a piece of a prompt, to all positions before, in every layer of a
/// model of 0.5B, beside reading alone in the same run:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- attention [--depth 4096] [--threads 2] [--rounds 60] [--rows 64]</c>.
/// </summary>
internal static class AttentionDepth
{
    private const int Layers = 24, Heads = 14, KeyValueHeads = 2, Dim = 64;
    private const double Int4BytesPerToken = 278e6;

    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        int depth = options.Number("--depth", 4096), threads = options.Number("--threads", 2), rounds = options.Number("--rounds", 60), rows = options.Number("--rows", 64);
        using WorkerTeam team = new(threads);
        KeyValueStore[] stores = [.. Enumerable.Range(0, Layers).Select(_ => Filled(depth + rows))];
        MachineProbe.Reading reading = new(64 << 20);
        Random random = new(2);
        float[] q = [.. Enumerable.Range(0, rows * Heads * Dim).Select(_ => random.NextSingle() - 0.5f)], y = new float[q.Length];
        double one = double.PositiveInfinity, many = one, read = one;
        for (int round = 0; round < rounds; round++)
        {
            read = Math.Min(read, Time(() => reading.Run(team)) / reading.Bytes);
            // Layer by layer as in a reply: what one layer reads has left the caches when its turn comes again.
            foreach (KeyValueStore store in stores)
                one = Math.Min(one, Time(() => AttentionKernel.Causal(q, Heads * Dim, store, y, Heads * Dim, 1, depth - 1, Heads, 0.125f, team)));
            if (round % 10 == 0)
                many = Math.Min(many, Time(() => AttentionKernel.Causal(q, Heads * Dim, stores[0], y, Heads * Dim, rows, depth, Heads, 0.125f, team)));
        }

        double bytes = 2.0 * depth * KeyValueHeads * Dim * sizeof(ushort), weights = Int4BytesPerToken * read;
        double operations = 4.0 * rows * Heads * Dim * (depth + (rows + 1) / 2.0);
        Console.WriteLine($"{threads} threads, depth {depth}, best of {rounds * Layers} calls; reading alone {1e-9 / read:0.0} GB/s");
        Console.WriteLine($"one position   {1e6 * one,8:0.0} us a layer, {bytes / one / 1e9:0.0} GB/s, {bytes * read / one:0 %} of reading");
        Console.WriteLine($"{rows} positions   {1e6 * many,8:0.0} us a layer, {operations / many / 1e9:0} GFLOP/s");
        Console.WriteLine(
            $"if weights in int4 were read at that rate ({1e3 * weights:0.00} ms a token), a reply would keep {weights / (weights + Layers * one):0 %} of its speed; " +
            $"{Int4BytesPerToken / (Int4BytesPerToken + Layers * bytes):0 %} if keys and values were read at that rate too");
        return 0;
    }

    private static KeyValueStore Filled(int positions)
    {
        KeyValueStore store = new(positions, KeyValueHeads, Dim, Dim);
        Random random = new(1);
        ushort[] position = [.. Enumerable.Range(0, store.PositionBytes / sizeof(ushort)).Select(_ => BFloat16.FromSingle(random.NextSingle() - 0.5f))];
        for (int i = 0; i < positions; i++) store.Import(i, MemoryMarshal.AsBytes(position.AsSpan()));
        return store;
    }

    private static double Time(Action work)
    {
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
