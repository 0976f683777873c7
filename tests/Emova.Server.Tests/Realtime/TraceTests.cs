using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Xunit;
using static Emova.Server.Tests.Realtime.SessionHarness;

namespace Emova.Server.Tests.Realtime;

/// <summary>The server's own additions to the protocol: what happens inside, and styles that change at any time.</summary>
public sealed class TraceTests
{
    private readonly SessionHarness _session = new();

    public TraceTests() => _session.Take();

    [Fact]
    public void Nothing_is_told_unless_asked_for()
    {
        Assert.DoesNotContain(Types(Turn()), type => type.StartsWith("emova.", StringComparison.Ordinal));
    }

    [Fact]
    public void A_traced_turn_tells_units_style_and_timings()
    {
        JsonObject updated = _session.Client("""{"type":"session.update","session":{"type":"realtime","emova":{"trace":true}}}""")[0];
        Assert.True((bool)updated["session"]!["emova"]!["trace"]!);
        List<JsonObject> events = Turn();

        JsonObject heard = events.Single(happening => Type(happening) == "emova.heard");
        Assert.Equal("sad", (string?)heard["emotion"]);
        Assert.Equal("low", (string?)heard["pitch"]);
        Assert.Equal([(5, 3), (9, 1)], heard["units"]!.AsArray().Select(run => ((int)run!["unit"]!, (int)run["run"]!)));

        JsonObject style = events.Single(happening => Type(happening) == "emova.style");
        Assert.Equal(("happy", "high", "male-happy-high"), ((string?)style["emotion"], (string?)style["pitch"], (string?)style["style"]));

        JsonObject units = events.Single(happening => Type(happening) == "emova.units");
        Assert.Equal([(7, 0.05), (8, 0.1)], units["units"]!.AsArray().Select(unit => ((int)unit!["unit"]!, (double)unit["end"]!)));

        JsonNode timings = events.Single(happening => Type(happening) == "emova.timings")["timings"]!;
        Assert.Equal(0.25, (double)timings["prefill"]!);
        Assert.Null(timings["first_text"]);

        string[] types = Types(events);
        string answer = (string)style["item_id"]!;
        Assert.Equal(answer, (string?)units["item_id"]);
        Assert.True(Array.IndexOf(types, "response.output_item.added") < Array.IndexOf(types, "emova.style"));
        Assert.True(Array.IndexOf(types, "emova.timings") < Array.IndexOf(types, "response.done"));
    }

    [Fact]
    public void A_style_may_change_after_the_first_audio_and_null_takes_it_back()
    {
        Turn();
        JsonNode output = _session.Client(
            """{"type":"session.update","session":{"type":"realtime","audio":{"output":{"gender":"male","emotion":"angry","pitch":"low","emotion_strength":1.5,"pitch_shift":-3,"speed":1.25}}}}""")[0]
            ["session"]!["audio"]!["output"]!;
        Assert.Equal("angry", (string?)output["emotion"]);
        Ask();
        VoiceOptions voice = _session.Jobs[^1].Request.Voice;
        Assert.Equal(("male", "angry", "low"), (voice.Gender, voice.Emotion, voice.Pitch));
        Assert.Equal((1.5f, -3f, 1.25f), (voice.Dials.EmotionStrength, voice.Dials.PitchShift, voice.Dials.Speed));
        _session.End();

        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"gender":null,"emotion":null,"pitch":null,"pitch_shift":null}}}}""");
        Ask();
        voice = _session.Jobs[^1].Request.Voice;
        Assert.Equal(("female", "neutral", "normal"), (voice.Gender, voice.Emotion, voice.Pitch));
        Assert.Equal((1.5f, 0f), (voice.Dials.EmotionStrength, voice.Dials.PitchShift));
    }

    [Theory]
    [InlineData("""{"emova":{"trace":1}}""", "session.emova.trace")]
    [InlineData("""{"audio":{"output":{"gender":"robot"}}}""", "session.audio.output.gender")]
    [InlineData("""{"audio":{"output":{"emotion":"bored"}}}""", "session.audio.output.emotion")]
    [InlineData("""{"audio":{"output":{"pitch":"deep"}}}""", "session.audio.output.pitch")]
    [InlineData("""{"audio":{"output":{"emotion_strength":1.6}}}""", "session.audio.output.emotion_strength")]
    [InlineData("""{"audio":{"output":{"pitch_shift":13}}}""", "session.audio.output.pitch_shift")]
    public void A_wrong_value_is_refused_by_name(string session, string path) =>
        Assert.Equal(path, (string?)_session.Refused($$"""{"type":"session.update","session":{{session}}}""")["param"]);

    /// <summary>One spoken turn whose engine is scripted.</summary>
    private List<JsonObject> Turn()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""");
        _session.Client($$"""{"type":"input_audio_buffer.append","audio":"{{Pcm(Vowel(500))}}"}""");
        _session.Client("""{"type":"input_audio_buffer.commit"}""");
        _session.Client("""{"type":"response.create"}""");
        EngineRequest request = _session.Jobs[^1].Request;
        request.Messages[^1].Speech!.SetUnits("", [(5, 3), (9, 1)]);
        PromptUsage prompt = new(3, 4, 0, 0);
        EngineResult result = new("Hi.", "hello", "sad", "low", "happy", "high", "male-happy-high", [7, 8], "{}", EndReason.Stop, prompt, 3, 2,
            new ReplyTimings { Prefill = TimeSpan.FromSeconds(0.25), Total = TimeSpan.FromSeconds(1) });
        List<JsonObject> events = _session.Engine(
            new EngineEvent.Started(prompt), new EngineEvent.Heard("hello"), new EngineEvent.UserMood("sad", "low"), new EngineEvent.Answer("Hi."),
            new EngineEvent.Mood("happy", "high", "male-happy-high"),
            new EngineEvent.Audio(new float[2400], 24000) { Units = [new SpokenUnit(7, 1200), new SpokenUnit(8, 2400)] },
            new EngineEvent.Finished(result));
        _session.End();
        return events;
    }

    private void Ask()
    {
        _session.Client("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        _session.Client("""{"type":"response.create"}""");
    }
}
