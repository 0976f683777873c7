using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Emova.Models.Language;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>
/// A language model with random weights beside llama.cpp's llama-bench on a model file of the same shape and bits, in turns, in one run:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- peers --llama-bench PATH --model FILE --shape 0.5B --bits 4
/// [--rounds 3] [--prompt 512] [--generate 64] [--depth 0] [--threads 2]</c>. Both sides decode after <c>depth</c> positions.
/// </summary>
internal static class PeerComparison
{
    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        string peer = Required("--llama-bench"), file = Required("--model"), shape = Required("--shape");
        int bits = options.Number("--bits", 4), rounds = options.Number("--rounds", 3), threads = options.Number("--threads", 2);
        int prompt = options.Number("--prompt", 512), generate = options.Number("--generate", 64), depth = options.Number("--depth", 0);
        WorkerTeam.Shared.ThreadCount = threads;
        WeightFormat format = LanguageShapes.Format(bits);
        LanguageModel model = LanguageShapes.Create(shape, format);
        KvCache cache = model.CreateCache(depth + Math.Max(prompt, generate) + 8);
        int[] tokens = [.. Enumerable.Range(0, Math.Max(prompt, depth + 8)).Select(i => i * 7919 % model.Config.VocabSize)];
        Read(model, cache, tokens.AsSpan(0, 8));
        Write(model, cache, 2);

        List<double> ownPrompt = [], ownReply = [], peerPrompt = [], peerReply = [], bandwidth = [], arithmetic = [];
        string build = "";
        TimeSpan before = Environment.CpuUsage.TotalTime, inside = TimeSpan.Zero;
        for (int round = 0; round < rounds; round++)
        {
            using JsonDocument result = RunPeer(peer, ["-m", file, "-t", Text(threads), "-r", "1", "-o", "json", "-p", Text(prompt), "-n", Text(generate), "-d", Text(depth)]);
            foreach (JsonElement test in result.RootElement.EnumerateArray())
            {
                build = $"{test.GetProperty("model_type").GetString()}, build {test.GetProperty("build_commit").GetString()}";
                (test.GetProperty("n_gen").GetInt32() > 0 ? peerReply : peerPrompt).Add(test.GetProperty("avg_ts").GetDouble());
            }

            long start = Stopwatch.GetTimestamp();
            bandwidth.Add(MachineProbe.ReadBandwidth(WorkerTeam.Shared) / 1e9);
            arithmetic.Add(MachineProbe.ByteOperations(WorkerTeam.Shared) / 1e9);
            cache.Truncate(0);
            if (depth > 0) Read(model, cache, tokens.AsSpan(0, depth));
            ownReply.Add(Write(model, cache, generate));
            cache.Truncate(0);
            if (depth > 0) Read(model, cache, tokens.AsSpan(0, depth));
            ownPrompt.Add(Read(model, cache, tokens.AsSpan(0, prompt)));
            cache.Truncate(0);
            inside += Stopwatch.GetElapsedTime(start);
        }

        long parameters = LanguageShapes.TokenParameters(model.Config);
        double bytes = (double)parameters * WeightLayout.RecordBytes(format) / (WeightLayout.RecordInputs * WeightLayout.GroupRows);
        Console.WriteLine($"{shape}, {bits} bits, {threads} threads, {rounds} rounds in turns with {Path.GetFileName(file)} ({build}); best, and medians in brackets");
        Console.WriteLine($"{"",-34}{"this runtime",20}{"llama.cpp",20}{"ratio",16}{"of the limit",14}");
        Print($"prompt of {prompt} at depth {depth}, tok/s", ownPrompt, peerPrompt, Best(ownPrompt) * 2 * parameters / 1e9 / Best(arithmetic));
        Print($"reply of {generate} at depth {depth}, tok/s", ownReply, peerReply, Best(ownReply) * bytes / 1e9 / Best(bandwidth));
        Console.WriteLine(
            $"limits: reading {Best(bandwidth):0.0} GB/s, bytes with intrinsics {Best(arithmetic):0} GOP/s; processors given to this process {(Environment.CpuUsage.TotalTime - before) / (inside * threads):0 %} of the time it worked");
        return 0;

        string Required(string name) => options.Text(name) ?? throw new ArgumentException($"{name} is missing");
    }

    private static double Best(List<double> values) => values.Max();

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static void Print(string name, List<double> own, List<double> peer, double share) => Console.WriteLine(
        $"{name,-34}{$"{Best(own):0.0} ({Median(own):0.0})",20}{$"{Best(peer):0.0} ({Median(peer):0.0})",20}" +
        $"{$"{Best(own) / Best(peer):0.00} ({Median(own) / Median(peer):0.00})",16}{share,14:0 %}");

    /// <summary>Tokens per second of reading a prompt.</summary>
    private static double Read(LanguageModel model, KvCache cache, ReadOnlySpan<int> tokens)
    {
        float[] logits = new float[model.Config.VocabSize];
        long start = Stopwatch.GetTimestamp();
        model.Forward(cache, tokens, logits);
        return tokens.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Tokens per second of writing, one by one.</summary>
    private static double Write(LanguageModel model, KvCache cache, int count)
    {
        float[] logits = new float[model.Config.VocabSize];
        int[] token = new int[1];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            token[0] = i * 104729 % model.Config.VocabSize;
            model.Forward(cache, token, logits);
        }

        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static JsonDocument RunPeer(string program, string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? JsonDocument.Parse(output) : throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {errors.Result}");
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
