using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Xunit;

namespace Emova.Server.Tests.Realtime;

/// <summary>
/// One spoken turn about a picture with a cut-off answer, frame by frame: every frame the server sends, in order, with at least the
/// fields written in <c>golden-turn.txt</c>. S is a frame of the server, C of the client, E what the engine does.
/// </summary>
public sealed class GoldenTurnTests
{
    [Fact]
    public void Every_frame_comes_in_order_with_its_fields()
    {
        (int lead, int length) = FindTiming(startMs: 420, endMs: 2080);
        SessionHarness session = new();
        Queue<JsonObject> sent = new(session.Take());
        int number = 0;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Realtime", "golden-turn.txt")))
        {
            number++;
            if (line.Length == 0 || line[0] == '#')
                continue;
            string json = line[2..];
            switch (line[0])
            {
                case 'S':
                    Assert.True(sent.TryDequeue(out JsonObject? frame), $"line {number}: the server sent nothing, expected {json}");
                    if (Difference(JsonNode.Parse(json), frame, "$") is { } difference)
                        Assert.Fail($"line {number}: {difference}\nexpected {json}\nsent     {frame.ToJsonString()}");
                    break;
                case 'C':
                    Assert.True(sent.Count == 0, $"line {number}: the server sent more than expected: {string.Join('\n', sent.Select(more => more.ToJsonString()))}");
                    List<JsonObject> answers = json.Contains("<audio>", StringComparison.Ordinal)
                        ? session.Append([.. SessionHarness.Silence(lead), .. SessionHarness.Vowel(length), .. SessionHarness.Silence(700)])
                        : session.Client(json.Replace("<png>", Convert.ToBase64String(TestPictures.Png()), StringComparison.Ordinal));
                    answers.ForEach(sent.Enqueue);
                    break;
                default:
                    session.Engine(Happening(json)).ForEach(sent.Enqueue);
                    break;
            }
        }

        Assert.Empty(sent);
        Assert.True(number > 30, "the file holds the whole turn");
    }

    private static EngineEvent Happening(string name) => name switch
    {
        "started" => new EngineEvent.Started(new PromptUsage(19, 42, 71, 64)),
        "heard" => new EngineEvent.Heard("What is this?"),
        "user mood" => new EngineEvent.UserMood("neutral", "normal"),
        "answer 1" => new EngineEvent.Answer("A red "),
        "answer 2" => new EngineEvent.Answer("stop sign."),
        "mood" => new EngineEvent.Mood("happy", "normal", "female-happy-normal"),
        "audio" => new EngineEvent.Audio(SessionHarness.Vowel(1000), 24000) { Units = [new(5, 12000), new(6, 24000)] },
        "finished" => new EngineEvent.Finished(SessionHarness.Result("A red stop sign.") with { Prompt = new PromptUsage(19, 42, 71, 64), TextTokens = 30, AudioTokens = 91 }),
        _ => throw new ArgumentException(name),
    };

    /// <summary>Silence and speech such that the detector's times are those of the turn; they differ by whole steps of 10 ms.</summary>
    private static (int Lead, int Length) FindTiming(int startMs, int endMs)
    {
        SessionHarness probe = new();
        List<JsonObject> events = probe.Append([.. SessionHarness.Silence(1000), .. SessionHarness.Vowel(800), .. SessionHarness.Silence(700)]);
        int start = (int)events.First(happening => SessionHarness.Type(happening).EndsWith("speech_started", StringComparison.Ordinal))["audio_start_ms"]!;
        int end = (int)events.First(happening => SessionHarness.Type(happening).EndsWith("speech_stopped", StringComparison.Ordinal))["audio_end_ms"]!;
        return (1000 + startMs - start, 800 + (endMs - startMs) - (end - start));
    }

    /// <summary>Null when everything expected is there with the same value; more may be.</summary>
    private static string? Difference(JsonNode? expected, JsonNode? found, string path)
    {
        switch (expected)
        {
            case JsonObject fields when found is JsonObject actual:
                return fields.Select(field => actual.ContainsKey(field.Key) ? Difference(field.Value, actual[field.Key], $"{path}.{field.Key}") : $"{path}.{field.Key} is missing")
                    .FirstOrDefault(difference => difference is not null);
            case JsonArray elements when found is JsonArray actual:
                return elements.Count != actual.Count ? $"{path} has {actual.Count} elements, expected {elements.Count}"
                    : elements.Select((element, i) => Difference(element, actual[i], $"{path}[{i}]")).FirstOrDefault(difference => difference is not null);
            case JsonValue value when value.TryGetValue(out string? text) && text == "<pcm>":
                return found is JsonValue sent && sent.TryGetValue(out string? base64) && Convert.FromBase64String(base64).Length % 2 == 0 ? null : $"{path} is no PCM";
            default:
                return JsonNode.DeepEquals(expected, found) ? null : $"{path} is {found?.ToJsonString() ?? "null"}, expected {expected?.ToJsonString() ?? "null"}";
        }
    }
}
