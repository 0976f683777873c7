using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using Emova.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Emova.Benchmarks;

/// <summary>
/// A long time with clients that come, talk, and leave at any moment:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- soak [--minutes 60] [--sessions 3] [--pause 1500] [--seed 1] [--model models/emova-tiny]</c>.
/// Every conversation was held once before, when nobody else was there: its answers must be the same now, word for word and sample for
/// sample. Memory is measured each minute between two conversations, after a full collection; the last sixth must not lie more than 5 %
/// above the sixth that follows the first, which is left to the compiler; the cache of prompts is filled beforehand. The exit code is 0 only when nothing was lost, mixed up, or left behind.
/// </summary>
internal sealed class Soak
{
    private const double AllowedGrowth = 0.05, BreakOffShare = 0.35, HttpShare = 0.2;

    // Longer than the server's patience with a connection that does not answer pings.
    private static readonly TimeSpan Frozen = TimeSpan.FromSeconds(50);

    private readonly Uri _base;
    private readonly Uri _socket;
    private readonly HttpClient _http;
    private readonly int _pause;
    private readonly (SoakTurn[] Turns, bool PushToTalk)[] _scripts;
    private readonly List<SoakReply[]> _expected = [];
    private readonly List<Task> _leaving = [];
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _talking;
    private readonly List<string> _wrong = [];
    private string _speech = "";
    private string _transcript = "";
    private int _conversations, _turns, _broken, _requests, _otherSound;

    private Soak(string url, int sessions, int pause)
    {
        _talking = new SemaphoreSlim(sessions);
        _base = new Uri(url);
        _socket = new UriBuilder(url) { Scheme = "ws", Path = "/v1/realtime" }.Uri;
        _http = new HttpClient { BaseAddress = _base, Timeout = TimeSpan.FromMinutes(3) };
        _pause = pause;
        string[] names = [.. Directory.GetFiles("samples", "*.wav").Order(StringComparer.Ordinal).Select(path => Path.GetFileNameWithoutExtension(path))];
        (string Picture, float[] Question)[] samples = [.. names.Select(name =>
            ($"data:image/png;base64,{Convert.ToBase64String(File.ReadAllBytes($"samples/{name}.png"))}", RealtimeClient.ReadQuestion($"samples/{name}.wav")))];
        // Sums that differ in every script, so that an answer that went astray shows.
        _scripts = [.. Enumerable.Range(0, 4 * samples.Length).Select(i =>
        {
            (string picture, float[] question) = samples[i % samples.Length];
            string sum = $"what is {Words[1 + (i % 5)]} plus {Words[1 + (i / 5)]}";
            SoakTurn[] turns = (i / samples.Length) switch
            {
                0 => [new(picture, null, question)],
                1 => [new(picture, null, question), new(null, sum, null)],
                2 => [new(null, sum, null), new(picture, null, question)],
                _ => [new(null, "hello", null), new(null, sum, null), new(picture, null, question)],
            };
            return (turns, i % 2 == 1);
        })];
    }

    private static readonly string[] Words = ["zero", "one", "two", "three", "four", "five"];

    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        return RunAsync(options).GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(CommandLine options)
    {
        int sessions = options.Number("--sessions", 3), minutes = options.Number("--minutes", 60);
        if (sessions is < 1 or > 32 || minutes is < 1 or > 10_000)
        {
            Console.Error.WriteLine("--sessions: allowed are 1 to 32; --minutes: 1 to 10000");
            return 2;
        }

        await using WebApplication server = ServerHost.Build(
            [
                new("Emova:Model", options.Text("--model") ?? "models/emova-tiny"), new("Emova:Port", "0"), new("Emova:Engine:Slots", sessions.ToString(CultureInfo.InvariantCulture)),
                new("Emova:Limits:RequestsPerMinute", "0"), new("Emova:Limits:AudioSecondsPerMinute", "0"), new("Emova:Limits:ConcurrentRequests", "1000"),
            ],
            null, builder => builder.Logging.SetMinimumLevel(LogLevel.Warning));
        await server.StartAsync();
        Soak soak = new(server.Urls.Single(), sessions, options.Number("--pause", 1500));
        using CancellationTokenSource interrupted = new();
        Console.CancelKeyPress += (_, press) =>
        {
            press.Cancel = true;
            interrupted.Cancel();
        };
        return await soak.RunAsync(sessions, TimeSpan.FromMinutes(minutes), options.Number("--seed", 1), options.Text("--model") ?? "models/emova-tiny", interrupted.Token);
    }

    private async Task<int> RunAsync(int sessions, TimeSpan time, int seed, string model, CancellationToken interrupted)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)));
        foreach ((SoakTurn[] turns, bool pushToTalk) in _scripts)
            _expected.Add([.. await new SoakTalk(_socket, pushToTalk).RunAsync(turns)]);
        _speech = await SpeakAsync(name);
        _transcript = await TranscribeAsync(name);
        await FillCacheAsync(name);
        Console.WriteLine($"{_scripts.Length} conversations known, {_expected.SelectMany(replies => replies).Select(reply => reply.Text).Distinct().Count()} different answers; {sessions} sessions for {time.TotalMinutes:0} minutes");
        Console.WriteLine("minute  conversations  answers  broken off  requests  wrong  heap MiB  resident MiB");

        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
        stop.CancelAfter(time);
        Task[] talking = [.. Enumerable.Range(0, sessions).Select(i => Task.Run(() => TalkAsync(new Random((1000 * seed) + i), name, stop.Token), CancellationToken.None))];
        List<(double Heap, double Resident)> memory = [];
        Stopwatch watch = Stopwatch.StartNew();
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromTicks(Math.Min(TimeSpan.TicksPerMinute, time.Ticks / 30)), stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            for (int i = 0; i < sessions; i++)
                await _talking.WaitAsync(CancellationToken.None);
            memory.Add(Measure());
            _talking.Release(sessions);
            Console.WriteLine($"{watch.Elapsed.TotalMinutes,6:0.0}{_conversations,15}{_turns,9}{_broken,12}{_requests,10}{_wrong.Count,7}{memory[^1].Heap,10:0.0}{memory[^1].Resident,14:0.0}");
        }

        await Task.WhenAll(talking);
        Task[] frozen;
        lock (_lock)
            frozen = [.. _leaving];
        await Task.WhenAll(frozen);
        bool empty = await IsEmptyAsync();
        return Report(memory, empty);
    }

    private int Report(List<(double Heap, double Resident)> memory, bool empty)
    {
        int sixth = Math.Max(1, memory.Count / 6);
        double heap = Growth(memory, sixth, sample => sample.Heap), resident = Growth(memory, sixth, sample => sample.Resident);
        Console.WriteLine($"{_conversations} conversations, {_turns} answers as when alone, {_otherSound} with another sound, {_broken} broken off, {_requests} requests; {_wrong.Count} lost or mixed up");
        Console.WriteLine(FormattableString.Invariant($"memory, last sixth against second sixth: heap {heap:+0.0 %;-0.0 %}, resident {resident:+0.0 %;-0.0 %}; left in the server: {(empty ? "nothing" : "sessions or answers")}"));
        foreach (string wrong in _wrong.Take(20))
            Console.WriteLine(wrong);
        return _wrong.Count == 0 && _otherSound == 0 && empty && heap <= AllowedGrowth && resident <= AllowedGrowth ? 0 : 1;
    }

    private async Task TalkAsync(Random random, string model, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await _talking.WaitAsync(CancellationToken.None);
            int script = random.Next(_scripts.Length);
            (SoakTurn[] turns, bool pushToTalk) = _scripts[script];
            double dice = random.NextDouble();
            try
            {
                if (dice < BreakOffShare)
                    await BreakOffAsync(random, new SoakTalk(_socket, pushToTalk), turns[0]);
                else if (dice < BreakOffShare + HttpShare)
                    await RequestAsync(random, model);
                else
                    Compare(script, await new SoakTalk(_socket, pushToTalk).RunAsync(turns, () => PauseAsync(random, stop)));
            }
            catch (Exception lost) when (lost is not OutOfMemoryException)
            {
                Note($"conversation {script}: {lost.GetType().Name}: {lost.Message}");
            }
            finally
            {
                _talking.Release();
            }

            await PauseAsync(random, stop);
        }
    }

    private Task PauseAsync(Random random, CancellationToken stop) =>
        stop.IsCancellationRequested ? Task.CompletedTask : Task.Delay(random.Next((2 * _pause) + 1), CancellationToken.None);

    private void Compare(int script, List<SoakReply> replies)
    {
        Interlocked.Increment(ref _conversations);
        for (int i = 0; i < replies.Count; i++)
        {
            SoakReply expected = _expected[script][i];
            if (replies[i] == expected)
                Interlocked.Increment(ref _turns);
            else if (replies[i] with { Sound = "" } == expected with { Sound = "" })
                Interlocked.Increment(ref _otherSound);
            else
                Note($"conversation {script}, answer {i}: heard '{replies[i].Heard}', said '{replies[i].Text}'; alone '{expected.Heard}', '{expected.Text}'");
        }
    }

    private async Task BreakOffAsync(Random random, SoakTalk talk, SoakTurn turn)
    {
        Leaving how = (Leaving)random.Next(5);
        int after = random.Next(1, 25);
        Interlocked.Increment(ref _broken);
        Task leaving = talk.BreakOffAsync(turn, how, after, Frozen);
        if (how == Leaving.Freeze)
        {
            // Nobody waits for it, but it has to end by itself.
            lock (_lock)
            {
                _leaving.RemoveAll(task => task.IsCompleted);
                _leaving.Add(leaving.ContinueWith(done => Note($"frozen: {done.Exception!.InnerException!.Message}"), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default)
                    .ContinueWith(_ => { }, TaskScheduler.Default));
            }

            return;
        }

        await leaving;
    }

    private async Task RequestAsync(Random random, string model)
    {
        Interlocked.Increment(ref _requests);
        switch (random.Next(3))
        {
            case 0:
                if (await SpeakAsync(model) != _speech)
                    Note("/v1/audio/speech said something else");
                break;
            case 1:
                if (await TranscribeAsync(model) is var heard && heard != _transcript)
                    Note($"/v1/audio/transcriptions heard '{heard}', alone '{_transcript}'");
                break;
            default:
                // A stream that nobody reads to its end.
                using (HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions"))
                {
                    request.Content = JsonContent.Create(new
                    {
                        model, stream = true, modalities = (string[])["text", "audio"], audio = new { voice = "male", format = "pcm16" },
                        messages = (object[])[new { role = "user", content = "what is two plus three" }],
                    });
                    using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
                    response.EnsureSuccessStatusCode();
                    await using Stream stream = await response.Content.ReadAsStreamAsync();
                    await stream.ReadExactlyAsync(new byte[random.Next(1, 400)]);
                }

                break;
        }
    }

    /// <summary>Prompts that never come again, until memory does not grow by them any more: what is left of the cache's room would look like a leak.</summary>
    private async Task FillCacheAsync(string model)
    {
        const int Step = 20, Most = 400;
        double before = Measure().Heap;
        for (int i = 1; i <= Most; i++)
        {
            string words = string.Join(' ', Enumerable.Range(0, 100).Select(j => Words[(i + (i * j / 7)) % Words.Length]));
            using HttpResponseMessage response = await _http.PostAsJsonAsync("/v1/chat/completions", new { model, max_completion_tokens = 1, messages = (object[])[new { role = "user", content = $"{i} {words}" }] });
            response.EnsureSuccessStatusCode();
            if (i % Step > 0)
                continue;
            double heap = Measure().Heap;
            if (heap < before + 0.5)
                break;
            before = heap;
        }
    }

    private async Task<string> SpeakAsync(string model)
    {
        using HttpResponseMessage response = await _http.PostAsJsonAsync("/v1/audio/speech", new { model, input = "i see two red cats", voice = "female-happy-high", response_format = "pcm" });
        response.EnsureSuccessStatusCode();
        return Convert.ToHexString(SHA256.HashData(await response.Content.ReadAsByteArrayAsync()));
    }

    private async Task<string> TranscribeAsync(string model)
    {
        using MultipartFormDataContent form = [];
        form.Add(new StringContent(model), "model");
        form.Add(new StringContent("text"), "response_format");
        form.Add(new ByteArrayContent(await File.ReadAllBytesAsync("samples/strawberry.wav")), "file", "a.wav");
        using HttpResponseMessage response = await _http.PostAsync(new Uri("/v1/audio/transcriptions", UriKind.Relative), form);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>Whether the server has let go of everything; what just ended gets some time.</summary>
    private async Task<bool> IsEmptyAsync()
    {
        for (int i = 0; i < 600; i++)
        {
            string metrics = await _http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
            if (((string[])["emova_replies_running 0", "emova_queue_length 0", "emova_realtime_sessions 0"]).All(line => metrics.Contains($"\n{line}\n", StringComparison.Ordinal)))
                return true;
            await Task.Delay(100);
        }

        return false;
    }

    private void Note(string wrong)
    {
        lock (_lock)
            _wrong.Add($"{DateTime.Now:HH:mm:ss} {wrong}");
    }

    private static (double Heap, double Resident) Measure()
    {
        for (int i = 0; i < 2; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return (GC.GetTotalMemory(forceFullCollection: false) / 1048576.0, Environment.WorkingSet / 1048576.0);
    }

    private static double Growth(List<(double Heap, double Resident)> memory, int sixth, Func<(double Heap, double Resident), double> value)
    {
        return (Median(memory.TakeLast(sixth)) / Median(memory.Skip(sixth).Take(sixth))) - 1;

        double Median(IEnumerable<(double Heap, double Resident)> samples)
        {
            double[] sorted = [.. samples.Select(value).Order()];
            return sorted[sorted.Length / 2];
        }
    }
}
