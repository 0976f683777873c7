using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Xunit;
using static Emova.Server.Tests.Realtime.SessionHarness;

namespace Emova.Server.Tests.Realtime;

/// <summary>What particular clients depend on, beyond the protocol's text.</summary>
public sealed class ClientQuirkTests
{
    /// <summary>The events that Pipecat's receive loop knows; it ends on any other.</summary>
    private static readonly HashSet<string> Pipecat =
    [
        "error", "session.created", "session.updated", "conversation.created", "input_audio_buffer.committed", "input_audio_buffer.cleared",
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "conversation.item.added", "conversation.item.done",
        "conversation.item.input_audio_transcription.delta", "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.failed", "conversation.item.truncated", "conversation.item.deleted", "conversation.item.retrieved",
        "response.created", "response.done", "response.output_item.added", "response.output_item.done", "response.content_part.added",
        "response.content_part.done", "response.output_text.delta", "response.output_text.done", "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done", "response.output_audio.delta", "response.output_audio.done", "response.function_call_arguments.delta",
        "response.function_call_arguments.done", "rate_limits.updated",
    ];

    [Fact]
    public void Pipecat_knows_every_event_of_a_conversation()
    {
        SessionHarness session = new();
        List<JsonObject> events = session.Take();
        events.AddRange(session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":{"model":"gpt-4o-transcribe"}}}}}"""));
        events.AddRange(session.Append([.. Silence(500), .. Vowel(600), .. Silence(1000)]));
        events.AddRange(session.Engine(
            new EngineEvent.Started(new PromptUsage(1, 1, 0, 0)), new EngineEvent.Heard("what "), new EngineEvent.Heard("is it"), new EngineEvent.UserMood("neutral", "normal"),
            new EngineEvent.Answer("the sun"), new EngineEvent.Mood("happy", "high", "female-happy-high"), new EngineEvent.Audio(Vowel(500), 24000)));
        events.AddRange(session.Append(Vowel(400))); // spoken over
        events.AddRange(session.Client("""{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":200}"""));
        events.AddRange(session.Client("""{"type":"conversation.item.retrieve","item_id":"item_0"}"""));
        events.AddRange(session.Client("""{"type":"conversation.item.delete","item_id":"item_0"}"""));
        events.AddRange(session.Client("""{"type":"input_audio_buffer.clear"}"""));
        Assert.All(events, happening => Assert.Contains(Type(happening), Pipecat));
        Assert.Contains("response.done", Types(events));
    }

    /// <summary>Any other error ends a Pipecat session, so races that do no harm have one of these codes, or none.</summary>
    [Fact]
    public void Harmless_races_have_the_codes_that_clients_forgive()
    {
        SessionHarness session = new();
        session.Say("hello");
        session.Client("""{"type":"response.create"}""");
        Assert.Equal("conversation_already_has_active_response", (string?)session.Refused("""{"type":"response.create"}""")["code"]);
        session.Client("""{"type":"response.cancel"}""");
        Assert.Equal("response_cancel_not_active", (string?)session.Refused("""{"type":"response.cancel"}""")["code"]);
        Assert.Equal("item_retrieve_invalid_item_id", (string?)session.Refused("""{"type":"conversation.item.retrieve","item_id":"gone"}""")["code"]);
        Assert.Equal(["input_audio_buffer.cleared"], Types(session.Client("""{"type":"input_audio_buffer.clear"}""")));
    }

    [Fact]
    public void LiveKit_finds_its_request_in_the_response_and_the_item_before_its_deltas()
    {
        SessionHarness session = new();
        session.Take();
        session.Say("hello");
        List<JsonObject> events = session.Client("""{"type":"response.create","event_id":"r","response":{"instructions":"greet","metadata":{"client_event_id":"r"}}}""");
        Assert.Equal(("response.created", "r"), (Type(events[0]), (string?)events[0]["response"]!["metadata"]!["client_event_id"]));
        JsonNode item = events.Single(e => Type(e) == "response.output_item.added")["item"]!;
        Assert.Equal(("item_1", "message"), ((string?)item["id"], (string?)item["type"]));
        events = session.Engine(new EngineEvent.Answer("one "), new EngineEvent.Answer("two"));
        double[] starts = [.. events.Select(e => (double)e["start_time"]!)];
        Assert.Equal(0, starts[0]);
        Assert.True(starts[1] > 0);
    }

    [Fact]
    public void History_is_a_chain_of_predecessors()
    {
        SessionHarness session = new();
        session.Take();
        List<JsonObject> events = [];
        foreach (string text in (string[])["a", "b"])
        {
            events.AddRange(session.Client($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"{{{{{{text}}}}}}"}]}}"""));
            events.AddRange(session.Client("""{"type":"response.create","response":{"output_modalities":["text"]}}"""));
            events.AddRange(session.Engine(new EngineEvent.Answer("x"), new EngineEvent.Finished(Result("x"))));
            events.AddRange(session.End());
        }

        string?[] chain = [.. events.Where(e => Type(e) == "conversation.item.added").Select(e => (string?)e["previous_item_id"])];
        string?[] items = [.. events.Where(e => Type(e) == "conversation.item.added").Select(e => (string?)e["item"]!["id"])];
        Assert.Equal([null, .. items[..^1]], chain);
        Assert.All(events.Where(e => Type(e) == "conversation.item.done"), e => Assert.Contains((string?)e["previous_item_id"], chain));
    }

    /// <summary>The defaults of @openai/agents-realtime: fields that this server has no use for, and a transcription model of another name.</summary>
    [Fact]
    public void The_settings_of_an_agents_session_are_taken()
    {
        SessionHarness session = new();
        session.Take();
        Assert.Equal(["session.updated"], Types(session.Client(
            """{"type":"session.update","session":{"type":"realtime","instructions":"Be brief.","model":"emova","output_modalities":["audio"],"audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"noise_reduction":null,"transcription":{"model":"gpt-4o-mini-transcribe"},"turn_detection":{"type":"semantic_vad"}},"output":{"format":{"type":"audio/pcm","rate":24000},"speed":1}},"tools":[]}}""")));
        Assert.Equal(["session.updated"], Types(session.Client("""{"type":"session.update","session":{"type":"realtime","tracing":{"workflow_name":"Agent workflow"}}}""")));
        Assert.Equal(["session.updated"], Types(session.Client("""{"type":"session.update","session":{"type":"realtime","tracing":"auto"}}""")));
    }
}
