using System.Diagnostics;
using System.Text.Json.Nodes;
using Emova.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Emova.Benchmarks;

/// <summary>
/// Live conversations at once: clients that speak the sample questions in real time, wait for the answer and play it, also in real time:
/// <c>dotnet run -c Release --project benchmarks/Emova.Benchmarks -- realtime [--sessions 8] [--turns 3] [--silence 200] [--model models/emova-tiny] [--url ws://...]</c>.
/// Prints how long the first sound took, from the end of speech and from the server's <c>speech_stopped</c>, and where playing ran dry.
/// Without an address it starts a server of its own, on this machine and in this process.
/// </summary>
internal static class RealtimeLoad
{
    private const int Rate = RealtimeClient.Rate, PieceMs = 20;

    public static int Run(string[] args)
    {
        CommandLine options = new(args);
        return RunAsync(options).GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(CommandLine options)
    {
        int sessions = options.Number("--sessions", 8), turns = options.Number("--turns", 3), silence = options.Number("--silence", 200);
        float[][] questions = [.. Directory.GetFiles(options.Text("--questions") ?? "samples", "*.wav").Order(StringComparer.Ordinal).Select(RealtimeClient.ReadQuestion)];
        WebApplication? server = null;
        if (options.Text("--url") is not { } url)
        {
            server = ServerHost.Build(
                [new("Emova:Model", options.Text("--model") ?? "models/emova-tiny"), new("Emova:Port", "0"), new("Emova:Engine:Slots", sessions.ToString())],
                null, builder => builder.Logging.SetMinimumLevel(LogLevel.Error));
            await server.StartAsync();
            url = server.Urls.Single().Replace("http", "ws", StringComparison.Ordinal) + "/v1/realtime";
        }

        // One turn beforehand: the first words of a process pay for its compilation.
        await TalkAsync(new Uri(url), questions, 1, 0, silence);
        Turn[][] results = await Task.WhenAll(Enumerable.Range(0, sessions).Select(client => Task.Run(() => TalkAsync(new Uri(url), questions, turns, client, silence))));
        if (server is not null)
            await server.DisposeAsync();

        Turn[] all = [.. results.SelectMany(turn => turn)];
        Console.WriteLine($"{sessions} conversations at once, {all.Length} turns, {Environment.ProcessorCount} processors, silence that ends a turn {silence} ms");
        Console.WriteLine($"speech_stopped -> first audio: {Quantiles(all.Select(turn => turn.AfterStopped))}");
        Console.WriteLine($"end of speech  -> first audio: {Quantiles(all.Select(turn => turn.AfterSpeech))}");
        Console.WriteLine($"answers: {all.Count(turn => turn.AudioMs > 0)} with {all.Sum(turn => turn.AudioMs) / 1000:0.0} s of audio; gaps: {all.Sum(turn => turn.Gaps)}, {all.Sum(turn => turn.GapMs):0} ms in all");
        return all.All(turn => turn.AudioMs > 0 && turn.Gaps == 0) ? 0 : 1;
    }

    /// <summary>One client: its turns one after the other.</summary>
    private static async Task<Turn[]> TalkAsync(Uri address, float[][] questions, int turns, int client, int silence)
    {
        using RealtimeClient socket = await RealtimeClient.ConnectAsync(address);
        await socket.SendAsync($$$$$$"""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":{{{{{{silence}}}}}}}}}}}""");
        using CancellationTokenSource stop = new();
        Microphone microphone = new(socket, stop.Token);
        Task speaking = microphone.RunAsync();
        await Task.Delay(137 * client, CancellationToken.None); // people do not begin in the same moment
        List<Turn> results = [];
        for (int i = 0; i < turns; i++)
        {
            microphone.Say(questions[(client + i) % questions.Length]);
            results.Add(await ListenAsync(socket, microphone));
        }

        await stop.CancelAsync();
        await speaking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await socket.CloseAsync();
        return [.. results];
    }

    /// <summary>Takes an answer and plays it: a gap is where the next piece comes after the end of what was there.</summary>
    private static async Task<Turn> ListenAsync(RealtimeClient socket, Microphone microphone)
    {
        long stopped = 0, first = 0;
        double played = 0, gapMs = 0;
        int gaps = 0;
        while (true)
        {
            JsonObject happening = await socket.ReceiveAsync();
            switch ((string?)happening["type"])
            {
                case "input_audio_buffer.speech_stopped":
                    stopped = Stopwatch.GetTimestamp();
                    break;
                case "response.output_audio.delta":
                    if (first == 0)
                        first = Stopwatch.GetTimestamp();
                    double late = Stopwatch.GetElapsedTime(first).TotalMilliseconds - played;
                    if (played > 0 && late > 0)
                    {
                        gaps++;
                        gapMs += late;
                        played += late;
                    }

                    played += Convert.FromBase64String((string)happening["delta"]!).Length / (2.0 * Rate / 1000);
                    break;
                case "response.done":
                    // The speaker is silent while the answer is played.
                    double rest = first == 0 ? 0 : played - Stopwatch.GetElapsedTime(first).TotalMilliseconds;
                    if (rest > 0)
                        await Task.Delay(TimeSpan.FromMilliseconds(rest));
                    return new Turn(
                        first == 0 ? double.PositiveInfinity : Stopwatch.GetElapsedTime(stopped, first).TotalMilliseconds,
                        first == 0 ? double.PositiveInfinity : Stopwatch.GetElapsedTime(microphone.SpeechEnd, first).TotalMilliseconds, played - gapMs, gaps, gapMs);
                case "error":
                    throw new InvalidOperationException(happening.ToJsonString());
            }
        }
    }

    private static string Quantiles(IEnumerable<double> milliseconds)
    {
        double[] sorted = [.. milliseconds.Order()];
        return $"median {At(0.5):0} ms, p95 {At(0.95):0} ms, most {sorted[^1]:0} ms";

        double At(double share) => sorted[(int)Math.Min(sorted.Length - 1, Math.Ceiling(share * sorted.Length) - 1)];
    }

    private sealed record Turn(double AfterStopped, double AfterSpeech, double AudioMs, int Gaps, double GapMs);

    /// <summary>Sends 20 ms of sound every 20 ms: a question while there is one, silence otherwise.</summary>
    private sealed class Microphone(RealtimeClient socket, CancellationToken stop)
    {
        private const int Piece = Rate / 1000 * PieceMs;

        private volatile float[]? _question;
        private long _speechEnd;

        /// <summary>When the last sample of speech was sent.</summary>
        public long SpeechEnd => Interlocked.Read(ref _speechEnd);

        public void Say(float[] question) => _question = question;

        public async Task RunAsync()
        {
            long start = Stopwatch.GetTimestamp();
            int at = 0;
            for (int piece = 0; !stop.IsCancellationRequested; piece++)
            {
                float[] sound = new float[Piece];
                if (_question is { } question)
                {
                    int count = Math.Min(Piece, question.Length - at);
                    question.AsSpan(at, count).CopyTo(sound);
                    at += count;
                    if (at == question.Length)
                    {
                        (_question, at) = (null, 0);
                        Interlocked.Exchange(ref _speechEnd, Stopwatch.GetTimestamp());
                    }
                }

                await socket.AppendAsync(sound, stop);
                double ahead = ((piece + 1) * PieceMs) - Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                if (ahead > 0)
                    await Task.Delay(TimeSpan.FromMilliseconds(ahead), stop);
            }
        }
    }
}
