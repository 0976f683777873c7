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

    /// <summary>LiveKit deletes an answer of which nothing was heard in the place of truncating it to nothing, also after it is done.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void LiveKit_deletes_an_answer_that_nobody_heard(bool isDone)
    {
        SessionHarness session = new();
        session.Take();
        session.Say("hello");
        session.Client("""{"type":"response.create"}""");
        session.Engine(new EngineEvent.Answer("one two"), new EngineEvent.Audio(Vowel(300), 24000));
        if (isDone)
        {
            session.Engine(new EngineEvent.Finished(Result("one two", "one two")));
            session.End();
        }

        List<JsonObject> events = session.Client("""{"type":"conversation.item.delete","item_id":"item_1"}""");
        Assert.Equal("conversation.item.deleted", Type(events[^1]));
        Assert.Equal(!isDone, Types(events).Contains("response.done"));
        Assert.DoesNotContain("error", Types(events));
        session.Say("again");
        session.Client("""{"type":"response.create"}""");
        Assert.DoesNotContain(session.Jobs[^1].Request.Messages, message => message.Text == "one two");
    }

    /// <summary>Microsoft.Extensions.AI.OpenAI 10.10 knows the events of spoken answers only: a session that asks for nothing is answered in them.</summary>
    [Fact]
    public void The_dotnet_client_is_answered_in_events_it_knows()
    {
        SessionHarness session = new();
        session.Take();
        session.Say("hello");
        List<JsonObject> events = session.Client("""{"type":"response.create"}""");
        events.AddRange(session.Engine(new EngineEvent.Answer("one"), new EngineEvent.Audio(Vowel(300), 24000), new EngineEvent.Finished(Result("one"))));
        Assert.Contains("response.output_audio.delta", Types(events));
        Assert.Contains("response.output_audio_transcript.delta", Types(events));
        Assert.DoesNotContain(events, happening => Type(happening).StartsWith("response.output_text", StringComparison.Ordinal));
    }

    /// <summary>An @openai/agents session of some versions ends on an error it did not expect: cancelling late is told, and everything goes on.</summary>
    [Fact]
    public void Cancelling_after_the_end_harms_nothing()
    {
        SessionHarness session = new();
        session.Take();
        session.Say("hello");
        session.Client("""{"type":"response.create"}""");
        session.Engine(new EngineEvent.Answer("one"), new EngineEvent.Finished(Result("one")));
        session.End();
        JsonObject error = session.Refused("""{"type":"response.cancel","event_id":"c"}""");
        Assert.Equal(("response_cancel_not_active", "c"), ((string?)error["code"], (string?)error["event_id"]));
        session.Say("again");
        Assert.Equal("response.created", Type(session.Client("""{"type":"response.create"}""")[0]));
    }
}
