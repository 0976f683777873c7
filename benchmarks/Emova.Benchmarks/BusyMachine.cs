using System.Diagnostics;
using Emova.Models.Language;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>
/// Decoding on a quiet machine and beside a process that keeps one core busy, in turns:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- busy [--shape 0.5B] [--bits 4] [--threads 2] [--rounds 3] [--generate 48]</c>.
/// </summary>
internal static class BusyMachine
{
    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        int threads = options.Number("--threads", 2), rounds = options.Number("--rounds", 3), generate = options.Number("--generate", 48);
        WorkerTeam.Shared.ThreadCount = threads;
        LanguageModel model = LanguageShapes.Create(options.Text("--shape") ?? "0.5B", LanguageShapes.Format(options.Number("--bits", 4)));
        KvCache cache = model.CreateCache(generate);
        Decode(model, cache, 4);
        List<double> quiet = [], busy = [];
        for (int round = 0; round < rounds; round++)
        {
            quiet.Add(Decode(model, cache, generate));
            using Process hog = Process.Start(Environment.ProcessPath!, ["hog"]);
            Thread.Sleep(500); // its start
            busy.Add(Decode(model, cache, generate));
            hog.Kill();
            hog.WaitForExit();
        }

        Console.WriteLine(
            $"{threads} threads, {Environment.ProcessorCount} processors: {quiet.Max():0.0} tok/s alone, {busy.Max():0.0} beside a busy process: {busy.Max() / quiet.Max():0 %} " +
            $"(each round: {string.Join(", ", quiet.Zip(busy, (a, b) => $"{b / a:0 %}"))})");
        return 0;
    }

    /// <summary>The busy process: one thread that never pauses; ends with its parent, or after a minute at the latest.</summary>
    public static int Hog()
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(1)) Thread.SpinWait(1000);
        return 0;
    }

    private static double Decode(LanguageModel model, KvCache cache, int count)
    {
        float[] logits = new float[model.Config.VocabSize];
        int[] token = new int[1];
        cache.Truncate(0);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            token[0] = i * 104729 % model.Config.VocabSize;
            model.Forward(cache, token, logits);
        }

        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
