using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Emova.Training.Data;

/// <summary>
/// Renders the plan into shards. flite is single-threaded, so the program starts itself again as worker processes, each
/// rendering every n-th shard. A shard is finished when its index file exists and matches the plan, so an interrupted run
/// continues where it stopped, and the result does not depend on the number of processes.
/// </summary>
public static class SpeechRenderer
{
    public const int ShardSize = 200;

    public static string PlanPath(string folder) => Path.Combine(folder, "speech", "plan.jsonl");

    /// <summary>Renders every unfinished shard in worker processes and writes <c>speech/index.jsonl</c>.</summary>
    /// <param name="folder">Corpus folder.</param>
    /// <param name="jobs">The plan.</param>
    /// <param name="processes">Worker processes, at least 1.</param>
    /// <param name="progress">Receives (utterances done, utterances in all).</param>
    public static void RenderAll(string folder, IReadOnlyList<RenderJob> jobs, int processes, Action<int, int> progress)
    {
        CorpusJson.WriteLines(PlanPath(folder), jobs);
        int done = 0;
        var gate = new Lock();
        var workers = new List<Process>();
        try
        {
            for (int i = 0; i < processes; i++)
            {
                Process worker = Start(folder, i, processes);
                worker.OutputDataReceived += (_, e) =>
                {
                    if (!int.TryParse(e.Data, out int count))
                        return;
                    lock (gate)
                    {
                        done += count;
                        progress(done, jobs.Count);
                    }
                };
                worker.BeginOutputReadLine();
                workers.Add(worker);
            }
            foreach (Process worker in workers)
            {
                worker.WaitForExit();
                if (worker.ExitCode != 0)
                    throw new InvalidOperationException($"rendering worker failed with exit code {worker.ExitCode}; run the command again to continue");
            }
        }
        finally
        {
            foreach (Process worker in workers)
            {
                if (!worker.HasExited)
                    worker.Kill();
                worker.Dispose();
            }
        }
        WriteIndex(folder, jobs);
    }

    /// <summary>Renders the shards of one worker, printing the number of utterances of each finished shard.</summary>
    public static void RunWorker(string folder, int worker, int workers)
    {
        ExitWithParent();
        RenderShards(folder, worker, workers, count =>
        {
            Console.Out.WriteLine(count);
            Console.Out.Flush();
        });
    }

    internal static void RenderShards(string folder, int worker, int workers, Action<int> finished)
    {
        RenderJob[] jobs = [.. CorpusJson.ReadLines<RenderJob>(PlanPath(folder))];
        FliteSynthesizer? flite = null;
        using StrangerSynthesizer strangers = new();
        for (int shard = worker; shard * ShardSize < jobs.Length; shard += workers)
        {
            ArraySegment<RenderJob> part = Part(jobs, shard);
            if (!IsDone(folder, shard, part))
                RenderShard(folder, shard, part, flite ??= new FliteSynthesizer(), strangers);
            finished(part.Count);
        }
    }

    /// <summary>Samples and phones of one job; the same every time.</summary>
    public static (short[] Samples, string[] Phones) Render(FliteSynthesizer flite, StrangerSynthesizer strangers, RenderJob job)
    {
        if (job.Kind == "stranger")
        {
            // The phones are those flite would speak: strangers say the same words, and recognition needs one spelling of each.
            (_, string[] said) = flite.Synthesize(job.Text, VoiceStyle.Canonical.Voice, VoiceStyle.Canonical.Settings(0, new DeterministicRandom(0)));
            short[] foreign = strangers.Synthesize(job.Text, job.Voice, new DeterministicRandom(DeterministicRandom.Hash(job.Id + "|" + job.Text)));
            return (VoicePostProcessor.Apply(foreign, new ProsodySettings(0, 0, 1, 0, 0, false)), said);
        }
        if (job.Kind == "unseen")
        {
            // rms and kal16 do not obey pitch settings: their own prosody is what makes them unseen.
            (short[] raw, string[] spoken) = flite.Synthesize(job.Text, job.Voice, null);
            return (VoicePostProcessor.Apply(raw, new ProsodySettings(0, 0, 1, 0, 0, false)), spoken);
        }
        double jitter = job.Kind == "canonical" ? 0 : 1;
        var random = new DeterministicRandom(DeterministicRandom.Hash(job.Id + "|" + job.Text));
        ProsodySettings settings = VoiceStyle.Parse(job.Style).Settings(jitter, random);
        (short[] samples, string[] phones) = flite.Synthesize(job.Text, job.Voice, settings);
        return (VoicePostProcessor.Apply(samples, settings), phones);
    }

    private static void RenderShard(string folder, int shard, ArraySegment<RenderJob> part, FliteSynthesizer flite, StrangerSynthesizer strangers)
    {
        string pcm = Path.Combine(folder, ShardName(shard));
        var records = new List<Utterance>();
        using (var stream = new FileStream(pcm + ".tmp", FileMode.Create))
        {
            foreach (RenderJob job in part)
            {
                (short[] samples, string[] phones) = Render(flite, strangers, job);
                records.Add(new Utterance(job.Id, job.Text, job.Voice, job.Style, job.Kind, job.Split,
                    ShardName(shard), stream.Position, samples.Length, phones));
                stream.Write(MemoryMarshal.AsBytes(samples.AsSpan()));
            }
        }
        File.Move(pcm + ".tmp", pcm, overwrite: true);
        CorpusJson.WriteLines(IndexPath(folder, shard), records);
    }

    private static bool IsDone(string folder, int shard, ArraySegment<RenderJob> part)
    {
        if (!File.Exists(IndexPath(folder, shard)) || !File.Exists(Path.Combine(folder, ShardName(shard))))
            return false;
        try
        {
            return CorpusJson.ReadLines<Utterance>(IndexPath(folder, shard))
                .Select(u => new RenderJob(u.Id, u.Text, u.Voice, u.Style, u.Kind, u.Split))
                .SequenceEqual(part);
        }
        catch (Exception e) when (e is InvalidDataException or JsonException)
        {
            return false;
        }
    }

    private static void WriteIndex(string folder, IReadOnlyList<RenderJob> jobs)
    {
        int shards = (jobs.Count + ShardSize - 1) / ShardSize;
        CorpusJson.WriteLines(Path.Combine(folder, "speech", "index.jsonl"),
            Enumerable.Range(0, shards).SelectMany(s => CorpusJson.ReadLines<Utterance>(IndexPath(folder, s))));
    }

    private static Process Start(string folder, int worker, int workers)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("cannot find the running program to start workers");
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardInput = true };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(typeof(SpeechRenderer).Assembly.Location);
        foreach (string argument in new[] { "data", "--out", folder, "--worker", $"{worker}/{workers}" })
            start.ArgumentList.Add(argument);
        return Process.Start(start) ?? throw new InvalidOperationException($"{program}: could not be started as a worker");
    }

    /// <summary>The parent holds the other end of standard input: when it is gone, so is the worker.</summary>
    private static void ExitWithParent() => new Thread(() =>
    {
        while (Console.In.ReadLine() is not null)
        {
        }
        Environment.Exit(3);
    })
    { IsBackground = true }.Start();

    private static ArraySegment<RenderJob> Part(RenderJob[] jobs, int shard) =>
        new(jobs, shard * ShardSize, Math.Min(ShardSize, jobs.Length - (shard * ShardSize)));

    private static string ShardName(int shard) => $"speech/{shard:000}.pcm";

    private static string IndexPath(string folder, int shard) => Path.Combine(folder, $"speech/{shard:000}.jsonl");
}
