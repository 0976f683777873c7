using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Xunit;
using static Emova.Server.Tests.Realtime.SessionHarness;

namespace Emova.Server.Tests.Realtime;

/// <summary>The names before the general availability.</summary>
public sealed class BetaDialectTests
{
    [Fact]
    public void A_session_is_flat()
    {
        List<JsonObject> events = new SessionHarness(beta: true).Take();
        Assert.Equal(["session.created", "conversation.created"], Types(events));
        JsonNode session = events[0]["session"]!;
        Assert.Null(session["type"]);
        Assert.Equal(("pcm16", "female-neutral-normal", 0.8), ((string?)session["input_audio_format"], (string?)session["voice"], (double)session["temperature"]!));
        Assert.Equal(["text", "audio"], session["modalities"]!.AsArray().Select(name => (string?)name));
        Assert.Equal("server_vad", (string?)session["turn_detection"]!["type"]);
    }

    [Theory]
    [InlineData("""{"modalities":["text","audio"],"voice":"male"}""")]
    [InlineData("""{"turn_detection":null}""")]
    [InlineData("""{"instructions":"Be brief."}""")]
    public void An_update_without_a_type_switches_the_dialect(string session)
    {
        SessionHarness harness = new();
        harness.Take();
        JsonObject updated = Assert.Single(harness.Client($$$$$$"""{"type":"session.update","session":{{{{{{session}}}}}}}"""));
        Assert.Equal("pcm16", (string?)updated["session"]!["output_audio_format"]);
        Assert.Null(updated["session"]!["audio"]);
    }

    [Fact]
    public void Flat_fields_arrive_where_they_belong()
    {
        SessionHarness harness = new(beta: true);
        harness.Take();
        JsonNode session = harness.Client(
            """{"type":"session.update","session":{"modalities":["text"],"voice":"echo","speed":1.1,"input_audio_format":"g711_ulaw","output_audio_format":"g711_alaw","input_audio_transcription":{"model":"whisper-1"},"turn_detection":{"type":"server_vad","silence_duration_ms":200},"max_response_output_tokens":50,"temperature":0.9,"tools":[{"type":"function","name":"f"}]}}""")[0]["session"]!;
        Assert.Equal(("echo", "g711_ulaw", "g711_alaw", "whisper-1"),
            ((string?)session["voice"], (string?)session["input_audio_format"], (string?)session["output_audio_format"], (string?)session["input_audio_transcription"]!["model"]));
        Assert.Equal((200, 50, 0.9, 1.1), ((int)session["turn_detection"]!["silence_duration_ms"]!, (int)session["max_response_output_tokens"]!, (double)session["temperature"]!, (double)session["speed"]!));
        Assert.Equal(["text"], session["modalities"]!.AsArray().Select(name => (string?)name));
        Assert.Equal("session.input_audio_format.type", (string?)harness.Refused("""{"type":"session.update","session":{"input_audio_format":"opus"}}""")["param"]);
        Assert.Equal("session.voice", (string?)harness.Refused("""{"type":"session.update","session":{"voice":"robot"}}""")["param"]);
    }

    [Fact]
    public void A_turn_has_the_beta_names()
    {
        SessionHarness harness = new(beta: true);
        harness.Take();
        List<JsonObject> events = harness.Client("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        Assert.Equal(["conversation.item.created"], Types(events));
        events = harness.Client("""{"type":"response.create","response":{"modalities":["text","audio"]}}""");
        Assert.Equal(["response.created", "response.output_item.added", "conversation.item.created", "response.content_part.added"], Types(events));
        Assert.Equal("pcm16", (string?)events[0]["response"]!["output_audio_format"]);
        events = harness.Engine(new EngineEvent.Answer("Hi."), new EngineEvent.Audio(Vowel(100), 24000), new EngineEvent.Finished(Result()));
        Assert.Equal(
            ["response.audio_transcript.delta", "response.audio.delta", "response.audio.done", "response.audio_transcript.done", "response.content_part.done",
                "response.output_item.done", "response.done"],
            Types(events));
        Assert.Equal("audio", (string?)events[^2]["item"]!["content"]![0]!["type"]);
        Assert.Equal("audio", (string?)events[^1]["response"]!["output"]![0]!["content"]![0]!["type"]);
    }

    [Fact]
    public void Parts_of_old_messages_are_understood()
    {
        SessionHarness harness = new(beta: true);
        harness.Client("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"text","text":"hello"}]}}""");
        harness.Client("""{"type":"conversation.item.create","item":{"type":"message","role":"assistant","content":[{"type":"text","text":"Hi."}]}}""");
        harness.Say("and you");
        harness.Client("""{"type":"response.create","response":{"modalities":["text"]}}""");
        Assert.Equal(["hello", "Hi.", "and you"], harness.Jobs[0].Request.Messages.Select(message => message.Text));
    }
}
