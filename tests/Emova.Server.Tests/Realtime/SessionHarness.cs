using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Emova.Server.Realtime;
using Emova.Server.Realtime.Wire;
using Emova.Text;
using Xunit;
using ChatTool = Emova.Server.Wire.ChatTool;

namespace Emova.Server.Tests.Realtime;

/// <summary>A session without a socket: client events go in, engine events are scripted, server events are collected.</summary>
internal sealed class SessionHarness : IRealtimeModel
{
    public static readonly EngineInfo Everything = new("emova", DateTimeOffset.UnixEpoch, "fp_1", true, true, true, [], 24000, 4096);

    // Nothing is written with it here; that there is one tells the engine of functions.
    private static readonly Lazy<ReplyGrammar> CallGrammar = new(() => ReplyGrammar.ForText(HuggingFaceTokenizer.Parse(Emova.Tests.Text.ToyTokenizer.Json(), "toy"), "<|im_end|>"));

    private readonly List<JsonObject> _events = [];

    public SessionHarness(bool beta = false, string voice = "female-neutral-normal", EngineInfo? info = null, RealtimeLimits? limits = null)
    {
        Session = new RealtimeSession(
            this, info ?? Everything,
            new RealtimeSessionOptions { ModelName = "emova", Voice = voice, Beta = beta, Ids = new CountingIds(), Limits = limits ?? new RealtimeLimits() },
            (translated, happening) => _events.Add(translated ?? JsonSerializer.SerializeToNode(happening, RealtimeJson.Default.ServerEvent)!.AsObject()));
        Session.Begin();
    }

    public RealtimeSession Session { get; }

    /// <summary>Jobs that run, oldest first.</summary>
    public List<(string Job, EngineRequest Request)> Jobs { get; } = [];

    public void Start(string job, EngineRequest request) => Jobs.Add((job, request));

    public void Stop(string job) => Jobs.RemoveAll(running => running.Job == job);

    public VoiceOptions? FindVoice(string name) => VoiceNames.Find(name);

    /// <summary>Whether the last response with functions may be text as well; null before one.</summary>
    public bool? CallsMayBeText { get; private set; }

    public ReplyGrammar? FindCallGrammar(IReadOnlyList<ChatTool> tools, bool allowText)
    {
        CallsMayBeText = allowText;
        return CallGrammar.Value;
    }

    /// <summary>Sends one event and returns what the server says to it.</summary>
    public List<JsonObject> Client(string json)
    {
        Session.Receive(System.Text.Encoding.UTF8.GetBytes(json));
        return Take();
    }

    /// <summary>Sends an event that the server answers with an error, and returns the error.</summary>
    public JsonObject Refused(string json)
    {
        JsonObject answer = Assert.Single(Client(json));
        Assert.Equal("error", Type(answer));
        Assert.Equal("invalid_request_error", (string?)answer["error"]!["type"]);
        return answer["error"]!.AsObject();
    }

    /// <summary>Lets the engine say something about the newest job.</summary>
    public List<JsonObject> Engine(params ReadOnlySpan<EngineEvent> events)
    {
        string job = Jobs[^1].Job;
        foreach (EngineEvent happening in events)
            Session.Tell(job, happening);
        return Take();
    }

    /// <summary>Ends the newest job.</summary>
    public List<JsonObject> End(Exception? failure = null)
    {
        string job = Jobs[^1].Job;
        Jobs.RemoveAt(Jobs.Count - 1);
        Session.End(job, failure);
        return Take();
    }

    /// <summary>What the server said since the last look.</summary>
    public List<JsonObject> Take()
    {
        List<JsonObject> taken = [.. _events];
        _events.Clear();
        Assert.All(taken, happening => Assert.StartsWith("event_", (string?)happening["event_id"], StringComparison.Ordinal));
        return taken;
    }

    public static string Type(JsonObject happening) => (string)happening["type"]!;

    public static string[] Types(IEnumerable<JsonObject> events) => [.. events.Select(Type)];

    public List<JsonObject> Append(float[] samples, int pieceMs = 100)
    {
        List<JsonObject> events = [];
        for (int at = 0; at < samples.Length; at += 24 * pieceMs)
            events.AddRange(Client($$$$$$"""{"type":"input_audio_buffer.append","audio":"{{{{{{Pcm(samples[at..Math.Min(samples.Length, at + (24 * pieceMs))])}}}}}}"}"""));
        return events;
    }

    /// <summary>A typed user message.</summary>
    public void Say(string text) =>
        Client($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"{{{{{{text}}}}}}"}]}}""");

    public static EngineResult Result(string text = "Hi.", string raw = "raw", EndReason end = EndReason.Stop) => new(
        text, null, null, null, null, null, null, [], raw, end, new PromptUsage(10, 5, 3, 4), 7, 9,
        new ReplyTimings { SpeechEncoding = default, ImageEncoding = default, Prefill = default, Total = default, AudioDuration = default });

    public static string Pcm(float[] samples) => AudioCodec.ToBase64(samples, AudioFormat.Pcm24);

    public static float[] Silence(int milliseconds) => new float[24 * milliseconds];

    /// <summary>Something that sounds like a vowel: the harmonics of 120 Hz under two formants.</summary>
    public static float[] Vowel(int milliseconds)
    {
        float[] samples = new float[24 * milliseconds];
        for (int harmonic = 1; harmonic <= 30; harmonic++)
        {
            double frequency = 120.0 * harmonic;
            double level = 0.05 * (Math.Exp(-Math.Pow((frequency - 600) / 300, 2)) + (0.5 * Math.Exp(-Math.Pow((frequency - 1700) / 400, 2))) + 0.05);
            for (int i = 0; i < samples.Length; i++)
                samples[i] += (float)(level * Math.Sin(2 * Math.PI * frequency * i / 24000));
        }

        return samples;
    }

    private sealed class CountingIds : RealtimeIds
    {
        private readonly Dictionary<string, int> _next = new() { ["item"] = 0 };

        public override string Next(string prefix)
        {
            int number = _next.GetValueOrDefault(prefix, 1);
            _next[prefix] = number + 1;
            return $"{prefix}_{number}";
        }
    }
}
