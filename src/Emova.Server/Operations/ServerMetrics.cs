using System.Diagnostics;
using System.Diagnostics.Metrics;
using Emova.Server.Engine;

namespace Emova.Server.Operations;

/// <summary>
/// What the server measures of itself, under the meter and activity source <c>Emova</c>: any OpenTelemetry collector can take them,
/// and <c>/metrics</c> shows them.
/// </summary>
internal sealed class ServerMetrics : IDisposable
{
    /// <summary>Name of the meter and of the source of traces.</summary>
    public const string Name = "Emova";

    /// <summary>Traces of replies.</summary>
    public static readonly ActivitySource Source = new(Name);

    // Seconds; from well below what is heard as at once to far beyond anyone's patience.
    private static readonly double[] Latencies = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1, 2, 5, 10, 30];

    private readonly Meter _meter;
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<double> _firstText;
    private readonly Histogram<double> _firstAudio;
    private readonly Histogram<double> _realTimeFactor;
    private readonly Histogram<double> _stepTime;
    private readonly Histogram<int> _stepSequences;
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _cachedTokens;
    private readonly Counter<long> _textTokens;
    private readonly Counter<long> _audioTokens;
    private readonly Counter<double> _audioSeconds;
    private readonly Counter<long> _replies;

    public ServerMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(Name);
        _queueTime = Histogram("emova.queue.time", "s", "Time a request waited for a slot.", Latencies);
        _firstText = Histogram("emova.reply.first_text", "s", "From leaving the queue to the first character of the answer.", Latencies);
        _firstAudio = Histogram("emova.reply.first_audio", "s", "From leaving the queue to the first sample of the answer.", Latencies);
        _realTimeFactor = Histogram("emova.reply.real_time_factor", "1", "Time to make a spoken answer over its length.", [0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.5, 2, 5]);
        _stepTime = Histogram("emova.step.time", "s", "Time of one step of the language model.", [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]);
        _stepSequences = _meter.CreateHistogram("emova.step.sequences", "{reply}", "Replies written in one step.",
            advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128] });
        _promptTokens = _meter.CreateCounter<long>("emova.tokens.prompt", "{token}", "Tokens of prompts.");
        _cachedTokens = _meter.CreateCounter<long>("emova.tokens.cached", "{token}", "Tokens of prompts that were known already.");
        _textTokens = _meter.CreateCounter<long>("emova.tokens.text", "{token}", "Tokens of text written.");
        _audioTokens = _meter.CreateCounter<long>("emova.tokens.audio", "{token}", "Speech units written.");
        _audioSeconds = _meter.CreateCounter<double>("emova.audio.seconds", "s", "Speech made.");
        _replies = _meter.CreateCounter<long>("emova.replies", "{reply}", "Replies by how they ended.");
    }

    /// <summary>Reports the engine's load whenever it is asked for.</summary>
    public void Observe(Func<EngineLoad> load)
    {
        _meter.CreateObservableGauge("emova.queue.length", () => load().Waiting, "{request}", "Requests waiting for a slot.");
        _meter.CreateObservableGauge("emova.replies.running", () => load().Running, "{reply}", "Replies being made.");
    }

    /// <summary>Reports the live sessions whenever they are asked for.</summary>
    public void ObserveSessions(Func<int> count) => _meter.CreateObservableGauge("emova.realtime.sessions", count, "{session}", "Live sessions that are open.");

    public void Stepped(int sequences, TimeSpan time)
    {
        _stepTime.Record(time.TotalSeconds);
        _stepSequences.Record(sequences);
    }

    public void Finished(EngineResult result, TimeSpan queued)
    {
        _queueTime.Record(queued.TotalSeconds);
        if (result.Timings.FirstText is { } text)
            _firstText.Record(text.TotalSeconds);
        if (result.Timings.FirstAudio is { } audio)
            _firstAudio.Record(audio.TotalSeconds);
        if (result.Timings.RealTimeFactor is { } factor)
            _realTimeFactor.Record(factor);
        _promptTokens.Add(result.Prompt.Total);
        _cachedTokens.Add(result.Prompt.Cached);
        _textTokens.Add(result.TextTokens);
        _audioTokens.Add(result.AudioTokens);
        _audioSeconds.Add(result.Timings.AudioDuration.TotalSeconds);
        _replies.Add(1, new KeyValuePair<string, object?>("end", result.End == EndReason.Stop ? "stop" : "length"));
    }

    public void Cancelled() => _replies.Add(1, new KeyValuePair<string, object?>("end", "cancelled"));

    public void Refused() => _replies.Add(1, new KeyValuePair<string, object?>("end", "refused"));

    public void Dispose() => _meter.Dispose();

    private Histogram<double> Histogram(string name, string unit, string description, double[] bounds) =>
        _meter.CreateHistogram(name, unit, description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
