using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Emova.Server.Realtime;
using Emova.Text;
using Xunit;
using static Emova.Server.Tests.Realtime.SessionHarness;

namespace Emova.Server.Tests.Realtime;

/// <summary>The rules of the protocol, one test each.</summary>
public sealed class SessionTests
{
    private readonly SessionHarness _session = new();

    public SessionTests() => _session.Take();

    [Fact]
    public void The_first_frame_is_the_session() => Assert.Equal(["session.created"], Types(new SessionHarness().Take()));

    [Fact]
    public void An_update_changes_only_what_is_there_and_null_ends_turn_detection()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","instructions":"Be brief.","max_output_tokens":100,"output_modalities":["text"]}}""");
        JsonNode session = _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""")[0]["session"]!;
        Assert.Equal("Be brief.", (string?)session["instructions"]);
        Assert.Equal(100, (int)session["max_output_tokens"]!);
        Assert.Null(session["audio"]!["input"]!["turn_detection"]);
        Assert.Equal("audio/pcm", (string?)session["audio"]!["input"]!["format"]!["type"]);

        session = _session.Client("""{"type":"session.update","session":{"type":"realtime","instructions":null,"max_output_tokens":"inf","audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":200}}}}}""")[0]["session"]!;
        Assert.Equal("", (string?)session["instructions"]);
        Assert.Equal("inf", (string?)session["max_output_tokens"]);
        Assert.Equal((200, 300), ((int)session["audio"]!["input"]!["turn_detection"]!["silence_duration_ms"]!, (int)session["audio"]!["input"]!["turn_detection"]!["prefix_padding_ms"]!));
        session = _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"threshold":0.7}}}}}""")[0]["session"]!;
        Assert.Equal(200, (int)session["audio"]!["input"]!["turn_detection"]!["silence_duration_ms"]!);
    }

    [Theory]
    [InlineData("""{"session":{"type":"realtime"}}""", "invalid_event", "type")]
    [InlineData("""{"type":7}""", "invalid_type", "type")]
    [InlineData("""{"type":"session.upgrade"}""", "invalid_value", "type")]
    [InlineData("""{"type":"session.update"}""", "missing_required_parameter", "session")]
    [InlineData("""{"type":"session.update","session":"x"}""", "invalid_type", "session")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","voice":"female"}}""", "unknown_parameter", "session.voice")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","output_modalities":["text","audio"]}}""", "invalid_value", "session.output_modalities")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","model":"other"}}""", "invalid_value", "session.model")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","prompt":{"id":"p"}}}""", "unsupported_value", "session.prompt")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","max_output_tokens":0}}""", "invalid_value", "session.max_output_tokens")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","tools":[{"type":"mcp"}]}}""", "unsupported_value", "session.tools[0].type")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","tools":[{"type":"function"}]}}""", "missing_required_parameter", "session.tools[0].name")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"robot"}}}}""", "invalid_value", "session.audio.output.voice")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"speed":2}}}}""", "invalid_value", "session.audio.output.speed")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcm","rate":8000}}}}}""", "invalid_value", "session.audio.input.format.rate")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/opus"}}}}}""", "invalid_value", "session.audio.input.format.type")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","threshold":1.5}}}}}""", "invalid_value", "session.audio.input.turn_detection.threshold")]
    [InlineData("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad","eagerness":"very"}}}}}""", "invalid_value", "session.audio.input.turn_detection.eagerness")]
    [InlineData("""{"type":"input_audio_buffer.append"}""", "missing_required_parameter", "audio")]
    [InlineData("""{"type":"input_audio_buffer.append","audio":"***"}""", "invalid_value", "audio")]
    [InlineData("""{"type":"input_audio_buffer.append","audio":"AAAA"}""", "invalid_value", "audio")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"message","role":"user"}}""", "missing_required_parameter", "item.content")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"output_text","text":"a"}]}}""", "invalid_value", "item.content[0].type")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"https://example.org/a.png"}]}}""", "invalid_value", "item.content[0].image_url")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}}""", "invalid_value", "item.content[0].image_url")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/webp;base64,AAAA"}]}}""", "invalid_value", "item.content[0].image_url")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"mcp_call"}}""", "invalid_value", "item.type")]
    [InlineData("""{"type":"conversation.item.create","previous_item_id":"item_9","item":{"type":"message","role":"user","content":[]}}""", "item_create_invalid_previous_item_id", "previous_item_id")]
    [InlineData("""{"type":"conversation.item.retrieve","item_id":"item_9"}""", "item_retrieve_invalid_item_id", "item_id")]
    [InlineData("""{"type":"conversation.item.delete","item_id":"item_9"}""", "item_delete_invalid_item_id", "item_id")]
    [InlineData("""{"type":"conversation.item.truncate","item_id":"item_9","content_index":0,"audio_end_ms":0}""", "item_truncate_invalid_item_id", "item_id")]
    [InlineData("""{"type":"conversation.item.truncate","item_id":"item_9","content_index":0}""", "missing_required_parameter", "audio_end_ms")]
    [InlineData("""{"type":"response.create","response":{"input":[{"type":"item_reference","id":"item_9"}]}}""", "invalid_value", "response.input[0].id")]
    [InlineData("""{"type":"response.create"}""", "invalid_value", "response")]
    [InlineData("""{"type":"output_audio_buffer.clear"}""", "invalid_value", "type")]
    [InlineData("""{"type":"session.update","type":"session.update"}""", "invalid_json", null)]
    [InlineData("""{"type":"response.create","event_id":"\ud800"}""", "invalid_json", null)]
    [InlineData("""["response.create"]""", "invalid_event", null)]
    [InlineData("""{"type":""", "invalid_json", null)]
    public void What_is_wrong_is_named_and_the_session_goes_on(string json, string code, string? param)
    {
        JsonObject error = _session.Refused(json);
        Assert.Equal((code, param), ((string?)error["code"], (string?)error["param"]));
        Assert.Equal(["input_audio_buffer.cleared"], Types(_session.Client("""{"type":"input_audio_buffer.clear"}""")));
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused()
    {
        byte[] update = System.Text.Encoding.UTF8.GetBytes("""{"type":"session.update","session":{"modalities":["t?xt"]}}""");
        update[Array.IndexOf(update, (byte)'?')] = 0x95;
        _session.Session.Receive(update);
        Assert.Equal("invalid_json", (string?)Assert.Single(_session.Take())["error"]!["code"]);
    }

    [Fact]
    public void The_error_names_the_clients_event()
    {
        Assert.Equal("mine", (string?)_session.Refused("""{"type":"response.cancel","event_id":"mine"}""")["event_id"]);
        Assert.Null(_session.Refused("""{"type":"response.cancel"}""")["event_id"]);
    }

    [Fact]
    public void Unknown_fields_are_passed_over() =>
        Assert.Equal(["session.updated"], Types(_session.Client("""{"type":"session.update","shiny":1,"session":{"type":"realtime","new_thing":{"a":1}}}""")));

    [Fact]
    public void A_short_buffer_is_not_committed()
    {
        string message = (string)_session.Refused("""{"type":"input_audio_buffer.commit"}""")["message"]!;
        Assert.Equal("Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has 0.00ms of audio.", message);
        _session.Append(Silence(99));
        Assert.Contains("only has 99.00ms", (string)_session.Refused("""{"type":"input_audio_buffer.commit"}""")["message"]!, StringComparison.Ordinal);
        _session.Append(Silence(1));
        Assert.Equal(["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"], Types(_session.Client("""{"type":"input_audio_buffer.commit"}""")));
        Assert.Contains("only has 0.00ms", (string)_session.Refused("""{"type":"input_audio_buffer.commit"}""")["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public void Push_to_talk_waits_for_the_client_to_ask()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""");
        Assert.Empty(_session.Append([.. Silence(500), .. Vowel(600), .. Silence(1000)]));
        Assert.Equal(["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"], Types(_session.Client("""{"type":"input_audio_buffer.commit"}""")));
        Assert.Empty(_session.Jobs);
        Assert.Equal(["response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added"], Types(_session.Client("""{"type":"response.create"}""")));
        Assert.NotNull(Assert.Single(_session.Jobs).Request.Messages[^1].Speech);
    }

    [Fact]
    public void A_transcript_comes_without_a_response_too()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null,"transcription":{"model":"emova"}}}}}""");
        _session.Append(Vowel(600));
        _session.Client("""{"type":"input_audio_buffer.commit"}""");
        Assert.Equal(EngineTask.Transcribe, Assert.Single(_session.Jobs).Request.Task);
        _session.Engine(new EngineEvent.Answer("hello "), new EngineEvent.Answer("there"), new EngineEvent.Finished(Result()));
        JsonObject done = Assert.Single(_session.End());
        Assert.Equal("conversation.item.input_audio_transcription.completed", Type(done));
        Assert.Equal(("hello there", 1), ((string?)done["transcript"], (int)done["usage"]!["seconds"]!));
    }

    [Fact]
    public void A_failed_transcription_is_told()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null,"transcription":{"model":"emova"}}}}}""");
        _session.Append(Vowel(600));
        _session.Client("""{"type":"input_audio_buffer.commit"}""");
        JsonObject failed = Assert.Single(_session.End(new EmovaException("too short")));
        Assert.Equal("conversation.item.input_audio_transcription.failed", Type(failed));
        Assert.Equal("too short", (string?)failed["error"]!["message"]);
    }

    [Fact]
    public void Several_pieces_of_a_transcript_are_shown_as_they_come()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":{"model":"emova"}}}}}""");
        _session.Append([.. Silence(500), .. Vowel(600), .. Silence(1000)]);
        List<JsonObject> events = _session.Engine(
            new EngineEvent.Heard("what "), new EngineEvent.Heard("is "), new EngineEvent.Heard("this"), new EngineEvent.UserMood("neutral", "normal"));
        Assert.Equal("what is this", string.Concat(events.Where(e => Type(e).EndsWith("transcription.delta", StringComparison.Ordinal)).Select(e => (string?)e["delta"])));
        Assert.Equal("what is this", (string?)events[^1]["transcript"]);
    }

    [Fact]
    public void A_second_response_waits_its_turn_but_one_outside_of_the_conversation_does_not()
    {
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        JsonObject error = _session.Refused("""{"type":"response.create"}""");
        Assert.Equal("conversation_already_has_active_response", (string?)error["code"]);
        Assert.Equal("Conversation already has an active response in progress: resp_1. Wait until the response is finished before creating a new one.", (string?)error["message"]);
        List<JsonObject> beside = _session.Client(
            """{"type":"response.create","response":{"conversation":"none","metadata":{"topic":"x"},"output_modalities":["text"],"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"classify"}]}]}}""");
        Assert.Equal(["response.created", "response.output_item.added", "response.content_part.added"], Types(beside));
        Assert.Null(beside[0]["response"]!["conversation_id"]);
        Assert.Equal("x", (string?)beside[0]["response"]!["metadata"]!["topic"]);
        List<JsonObject> done = _session.Engine(new EngineEvent.Answer("yes"), new EngineEvent.Finished(Result("yes")));
        Assert.Equal(
            ["response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.done"], Types(done));
        Assert.Equal("x", (string?)done[^1]["response"]!["metadata"]!["topic"]);
        Assert.Equal(["classify"], _session.Jobs[1].Request.Messages.Select(message => message.Text));
    }

    [Fact]
    public void A_typed_turn_in_text()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","output_modalities":["text"],"instructions":"Be brief."}}""");
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        EngineRequest request = Assert.Single(_session.Jobs).Request;
        Assert.Equal(("Be brief.", false), (request.System, request.Speak));
        List<JsonObject> events = _session.Engine(new EngineEvent.Started(new PromptUsage(10, 0, 0, 4)), new EngineEvent.Answer("Hi."), new EngineEvent.Finished(Result()));
        Assert.Equal(
            ["response.output_text.delta", "response.output_text.done", "response.content_part.done", "conversation.item.done", "response.output_item.done", "response.done"],
            Types(events));
        Assert.Equal("text", (string?)events[2]["part"]!["type"]);
        Assert.Equal("output_text", (string?)events[3]["item"]!["content"]![0]!["type"]);
        _session.End();
        _session.Say("and now?");
        _session.Client("""{"type":"response.create"}""");
        Assert.Equal(["hello", "raw", "and now?"], _session.Jobs[^1].Request.Messages.Select(message => message.Text));
    }

    [Fact]
    public void Speaking_over_an_answer_closes_it_in_order_and_counts_what_was_used()
    {
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        _session.Engine(new EngineEvent.Started(new PromptUsage(10, 0, 0, 4)), new EngineEvent.Answer("Well, ") { TextTokens = 3 },
            new EngineEvent.Audio(Vowel(100), 24000) { TextTokens = 3, AudioTokens = 5 });
        List<JsonObject> events = _session.Append([.. Silence(300), .. Vowel(300)]);
        Assert.Equal(
            ["input_audio_buffer.speech_started", "response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done",
                "conversation.item.done", "response.output_item.done", "response.done"],
            Types(events));
        Assert.Equal("incomplete", (string?)events[5]["item"]!["status"]);
        JsonNode response = events[^1]["response"]!;
        Assert.Equal(("cancelled", "cancelled", "turn_detected"),
            ((string?)response["status"], (string?)response["status_details"]!["type"], (string?)response["status_details"]!["reason"]));
        Assert.Equal((10, 8, 18), ((int)response["usage"]!["input_tokens"]!, (int)response["usage"]!["output_tokens"]!, (int)response["usage"]!["total_tokens"]!));
        Assert.Empty(_session.Jobs);
    }

    [Fact]
    public void An_answer_that_may_not_be_interrupted_is_finished_before_the_next()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","interrupt_response":false}}}}}""");
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        List<JsonObject> events = _session.Append([.. Silence(300), .. Vowel(600), .. Silence(800)]);
        Assert.DoesNotContain("response.done", Types(events));
        Assert.Single(_session.Jobs);
        Assert.Contains("response.created", Types(_session.Engine(new EngineEvent.Finished(Result()))));
        Assert.Equal(2, _session.Jobs.Count);
    }

    [Fact]
    public void Cancelling_closes_with_the_clients_reason()
    {
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        List<JsonObject> events = _session.Client("""{"type":"response.cancel","response_id":"resp_1"}""");
        Assert.Equal("client_cancelled", (string?)events[^1]["response"]!["status_details"]!["reason"]);
        Assert.Equal("response_cancel_not_active", (string?)_session.Refused("""{"type":"response.cancel","response_id":"resp_1"}""")["code"]);
    }

    [Theory]
    [InlineData(typeof(EmovaException), "invalid_request_error", "invalid_value")]
    [InlineData(typeof(EngineBusyException), "server_error", "overloaded")]
    [InlineData(typeof(InvalidOperationException), "server_error", "internal_error")]
    public void A_failure_of_the_engine_ends_the_response(Type failure, string type, string code)
    {
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        List<JsonObject> events = _session.End((Exception)Activator.CreateInstance(failure, "secret")!);
        JsonNode response = events[^1]["response"]!;
        Assert.Equal(("failed", type, code), ((string?)response["status"], (string?)response["status_details"]!["error"]!["type"], (string?)response["status_details"]!["error"]!["code"]));
        Assert.Equal(failure == typeof(InvalidOperationException), !response.ToJsonString().Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public void Reaching_the_token_limit_is_incomplete()
    {
        _session.Say("hello");
        _session.Client("""{"type":"response.create","response":{"max_output_tokens":3}}""");
        Assert.Equal(3, _session.Jobs[0].Request.MaxTokens);
        JsonNode response = _session.Engine(new EngineEvent.Finished(Result(end: EndReason.Length)))[^1]["response"]!;
        Assert.Equal(("incomplete", "max_output_tokens"), ((string?)response["status"], (string?)response["status_details"]!["reason"]));
    }

    [Fact]
    public void Items_go_where_they_are_wanted_and_ids_are_taken_once()
    {
        _session.Say("b");
        JsonObject front = _session.Client("""{"type":"conversation.item.create","previous_item_id":"root","item":{"id":"first","type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}}""")[0];
        Assert.Null(front["previous_item_id"]);
        JsonObject middle = _session.Client("""{"type":"conversation.item.create","previous_item_id":"first","item":{"id":"second","type":"message","role":"assistant","content":[{"type":"output_text","text":"A"}]}}""")[0];
        Assert.Equal("first", (string?)middle["previous_item_id"]);
        Assert.Equal("item_create_duplicate_item_id", (string?)_session.Refused("""{"type":"conversation.item.create","item":{"id":"second","type":"message","role":"user","content":[]}}""")["code"]);
        _session.Client("""{"type":"response.create"}""");
        Assert.Equal(["a", "A", "b"], _session.Jobs[0].Request.Messages.Select(message => message.Text));
        Assert.Equal(["conversation.item.deleted"], Types(_session.Client("""{"type":"conversation.item.delete","item_id":"first"}""")));
    }

    [Fact]
    public void A_picture_and_a_question_are_one_message_and_a_new_picture_begins_anew()
    {
        string picture = $$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,{{{{{{Convert.ToBase64String(TestPictures.Png())}}}}}}"}]}}""";
        _session.Say("before");
        _session.Client(picture);
        _session.Say("what is it");
        _session.Client("""{"type":"response.create"}""");
        EngineMessage message = Assert.Single(_session.Jobs[0].Request.Messages);
        Assert.Equal(("what is it", true), (message.Text, message.Picture is not null));
    }

    [Theory]
    [InlineData("\"auto\"", true, 1, null)]
    [InlineData("\"disabled\"", false, 1, null)]
    [InlineData("{\"type\":\"retention_ratio\",\"retention_ratio\":0.8}", true, 0.8, null)]
    [InlineData("{\"type\":\"retention_ratio\",\"retention_ratio\":0.5,\"token_limits\":{\"post_instructions\":300}}", true, 0.5, 300)]
    public void Truncation_goes_to_the_engine(string truncation, bool allowed, double retain, int? most)
    {
        JsonNode session = _session.Client("{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"truncation\":" + truncation + "}}")[0]["session"]!;
        Assert.Equal(truncation, session["truncation"]!.ToJsonString());
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        Assert.Equal(new ContextTruncation(allowed, retain, most), _session.Jobs[0].Request.Truncation);
    }

    [Theory]
    [InlineData("\"never\"", "session.truncation")]
    [InlineData("{\"type\":\"last_words\"}", "session.truncation.type")]
    [InlineData("{\"type\":\"retention_ratio\"}", "session.truncation.retention_ratio")]
    [InlineData("{\"type\":\"retention_ratio\",\"retention_ratio\":1.5}", "session.truncation.retention_ratio")]
    [InlineData("{\"type\":\"retention_ratio\",\"retention_ratio\":1,\"token_limits\":{\"post_instructions\":-1}}", "session.truncation.token_limits.post_instructions")]
    public void A_wrong_truncation_is_named(string truncation, string path) => Assert.Equal(
        path, (string?)_session.Refused("{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"truncation\":" + truncation + "}}")["param"]);

    /// <summary>What was left out once stays out, so that the next turns begin the same way; it is still an item.</summary>
    [Fact]
    public void Turns_that_were_left_out_are_not_sent_again()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","output_modalities":["text"]}}""");
        _session.Say("one");
        _session.Client("""{"type":"response.create"}""");
        _session.Engine(new EngineEvent.Started(new PromptUsage(1, 0, 0, 0)), new EngineEvent.Answer("first"), new EngineEvent.Finished(Result("first", "first")));
        _session.End();
        _session.Say("two");
        _session.Client("""{"type":"response.create"}""");
        Assert.Equal(["one", "first", "two"], _session.Jobs[0].Request.Messages.Select(message => message.Text));
        _session.Engine(new EngineEvent.Started(new PromptUsage(1, 0, 0, 0)) { LeftOut = 2 }, new EngineEvent.Answer("second"), new EngineEvent.Finished(Result("second", "second")));
        _session.End();
        _session.Say("three");
        _session.Client("""{"type":"response.create"}""");
        Assert.Equal(["two", "second", "three"], _session.Jobs[0].Request.Messages.Select(message => message.Text));
        Assert.Equal(["conversation.item.retrieved"], Types(_session.Client("""{"type":"conversation.item.retrieve","item_id":"item_0"}""")));
    }

    [Fact]
    public void A_context_that_is_too_long_has_a_code_of_its_own()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","truncation":"disabled"}}""");
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        JsonNode response = _session.End(new ContextLengthException("too long"))[^1]["response"]!;
        Assert.Equal(("failed", "context_length_exceeded"), ((string?)response["status"], (string?)response["status_details"]!["error"]!["code"]));
    }

    /// <summary>Sound that the model has heard makes room; what it has not heard yet is kept, and new sound is refused then.</summary>
    [Fact]
    public void A_conversation_holds_no_more_than_its_bytes()
    {
        SessionHarness small = new(limits: new RealtimeLimits { HeldBytes = 100_000 });
        small.Take();
        small.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""");
        string Commit()
        {
            small.Append(Vowel(700)); // 44,800 bytes at 16 kHz
            return Type(small.Client("""{"type":"input_audio_buffer.commit"}""")[0]);
        }

        bool HasSound(string id) => small.Client($$$$$$"""{"type":"conversation.item.retrieve","item_id":"{{{{{{id}}}}}}"}""")[0]["item"]!["content"]![0]!["audio"] is not null;
        Assert.Equal("input_audio_buffer.committed", Commit());
        Assert.Equal("input_audio_buffer.committed", Commit());
        Assert.Equal("error", Commit());
        small.Client("""{"type":"response.create"}""");
        foreach (EngineMessage message in small.Jobs[0].Request.Messages)
            message.Speech!.SetUnits("", []);
        Assert.Equal("input_audio_buffer.committed", Commit());
        Assert.False(HasSound("item_0"));
        Assert.True(HasSound("item_1"));
    }

    [Fact]
    public void Retrieved_audio_is_what_was_said()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""");
        float[] said = Vowel(400);
        _session.Append(said);
        _session.Client("""{"type":"input_audio_buffer.commit"}""");
        JsonObject item = _session.Client("""{"type":"conversation.item.retrieve","item_id":"item_0"}""")[0]["item"]!.AsObject();
        byte[] audio = Convert.FromBase64String((string)item["content"]![0]!["audio"]!);
        Assert.InRange(audio.Length / 48, 398, 400);
        float[] heard = AudioCodec.Decode(audio, Emova.Server.Realtime.Wire.AudioFormat.Pcm24);
        // What lies below the model's 8 kHz comes back; edges apart, to the resampler's ripple.
        for (int i = 1000; i < 8000; i++)
            Assert.Equal(said[i], heard[i], 0.01);
    }

    [Fact]
    public void Truncating_leaves_nothing_unheard_in_the_context()
    {
        SpeakAboutSun();
        Assert.Equal("Audio content of 2000ms is already shorter than 2001ms", (string?)_session.Refused("""{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":2001}""")["message"]);
        Assert.Equal(["conversation.item.truncated"], Types(_session.Client("""{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":1000}""")));
        Assert.Equal("the", (string?)_session.Client("""{"type":"conversation.item.retrieve","item_id":"item_1"}""")[0]["item"]!["content"]![0]!["transcript"]);
        _session.Say("go on");
        _session.Client("""{"type":"response.create"}""");
        string context = _session.Jobs[^1].Request.Messages[1].Text!;
        Assert.Equal(ReplyFormat.Write("what", "neutral", "normal", "the", "happy", "high", "<|speech_5|>"), context);
    }

    [Fact]
    public void A_unit_of_which_something_was_heard_is_kept()
    {
        SpeakAboutSun();
        _session.Client("""{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":1001}""");
        _session.Say("go on");
        _session.Client("""{"type":"response.create"}""");
        Assert.Contains("<|speech_5|><|speech_6|>\"", _session.Jobs[^1].Request.Messages[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Truncating_an_answer_in_progress_ends_it_first()
    {
        _session.Append([.. Silence(500), .. Vowel(600), .. Silence(1000)]);
        _session.Engine(new EngineEvent.Answer("the sun"), new EngineEvent.Audio(Vowel(1000), 24000) { Units = [new(5, 12000), new(6, 24000)] });
        List<JsonObject> events = _session.Client("""{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":0}""");
        Assert.Equal("response.done", Type(events[^2]));
        Assert.Equal("conversation.item.truncated", Type(events[^1]));
        Assert.Empty(_session.Jobs);
    }

    [Fact]
    public void The_voice_is_settled_with_the_first_sound()
    {
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        _session.Engine(new EngineEvent.Answer("Hi."), new EngineEvent.Audio(Vowel(100), 16000), new EngineEvent.Finished(Result()));
        Assert.Equal("cannot_update_voice", (string?)_session.Refused("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"male"}}}}""")["code"]);
        Assert.Equal(["session.updated"], Types(_session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"female-neutral-normal","speed":1.2}}}}""")));
    }

    [Theory]
    [InlineData("marin", "female")]
    [InlineData("cedar", "male")]
    public void Voices_of_stock_clients_speak_and_leave_the_mood_to_the_model(string voice, string gender)
    {
        _session.Client($$$$$$"""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"{{{{{{voice}}}}}}","speed":1.5}}}}""");
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        VoiceOptions options = _session.Jobs[0].Request.Voice;
        Assert.Equal((gender, null, null, 1.5f), (options.Gender, options.Emotion, options.Pitch, options.Dials.Speed));
    }

    [Fact]
    public void Instructions_of_a_response_start_a_conversation()
    {
        _session.Client("""{"type":"response.create","response":{"instructions":"greet the guest"}}""");
        EngineRequest request = Assert.Single(_session.Jobs).Request;
        Assert.Equal(["greet the guest"], request.Messages.Select(message => message.Text));
        Assert.Null(request.System);
    }

    [Fact]
    public void Answers_have_the_wanted_format()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"format":{"type":"audio/pcmu"}}}}}""");
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        List<JsonObject> events = _session.Engine(new EngineEvent.Audio(Vowel(1000), 24000), new EngineEvent.Finished(Result()));
        Assert.Equal(8000, events.Where(e => Type(e) == "response.output_audio.delta").Sum(e => Convert.FromBase64String((string)e["delta"]!).Length));
    }

    [Fact]
    public void Telephone_audio_is_heard()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcma"}}}}}""");
        float[] sound = Emova.Media.Resampler.Resample([.. Silence(500), .. Vowel(600), .. Silence(1000)], 24000, 8000);
        string audio = Convert.ToBase64String([.. sound.Select(Emova.Media.G711.ToALaw)]);
        Assert.Contains("input_audio_buffer.speech_stopped", Types(_session.Client($$$$$$"""{"type":"input_audio_buffer.append","audio":"{{{{{{audio}}}}}}"}""")));
    }

    [Fact]
    public void The_size_of_the_pieces_changes_nothing()
    {
        float[] sound = [.. Silence(400), .. Vowel(500), .. Silence(800), .. Vowel(300), .. Silence(900)];
        string Times(int pieceMs)
        {
            SessionHarness session = new();
            session.Take();
            return string.Join(' ', session.Append(sound, pieceMs).Where(e => Type(e).Contains("speech_", StringComparison.Ordinal)).Select(e => $"{Type(e)}{e["audio_start_ms"]}{e["audio_end_ms"]}"));
        }

        string whole = Times(5000);
        Assert.Equal(4, whole.Split(' ').Length);
        Assert.Equal(whole, Times(20));
        Assert.Equal(whole, Times(33));
    }

    [Fact]
    public void A_silent_user_is_asked_again()
    {
        _session.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","idle_timeout_ms":5000}}}}}""");
        _session.Say("hello");
        _session.Client("""{"type":"response.create"}""");
        _session.Engine(new EngineEvent.Answer("Hi."), new EngineEvent.Audio(Vowel(1000), 24000), new EngineEvent.Finished(Result()));
        Assert.Empty(_session.Append(Silence(5900), 1000));
        List<JsonObject> events = _session.Append(Silence(300));
        Assert.Equal(["input_audio_buffer.timeout_triggered", "input_audio_buffer.committed"], Types(events)[..2]);
        Assert.Equal((1000, 6000), ((int)events[0]["audio_start_ms"]!, (int)events[0]["audio_end_ms"]!));
        Assert.Contains("response.created", Types(events));
    }

    [Fact]
    public void A_buffer_has_an_end()
    {
        SessionHarness small = new(limits: new RealtimeLimits { Turn = TimeSpan.FromSeconds(1), Items = 2 });
        small.Take();
        List<JsonObject> events = small.Append([.. Silence(300), .. Vowel(1500)]);
        Assert.Contains("input_audio_buffer.speech_stopped", Types(events));
        small.Client("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""");
        small.Client("""{"type":"input_audio_buffer.clear"}""");
        small.Append(Silence(1000));
        Assert.Equal("audio", (string?)small.Refused($$$$$$"""{"type":"input_audio_buffer.append","audio":"{{{{{{Pcm(Silence(10))}}}}}}"}""")["param"]);
    }

    /// <summary>A spoken turn whose answer lasts 2 s: two words, three units.</summary>
    private void SpeakAboutSun()
    {
        _session.Append([.. Silence(500), .. Vowel(600), .. Silence(1000)]);
        _session.Engine(
            new EngineEvent.Heard("what"), new EngineEvent.UserMood("neutral", "normal"), new EngineEvent.Answer("the sun"), new EngineEvent.Mood("happy", "high", "s"),
            new EngineEvent.Audio(Vowel(1000), 24000) { Units = [new(5, 24000), new(6, 36000)] },
            new EngineEvent.Audio(Vowel(1000), 24000) { Units = [new(7, 48000)] }, new EngineEvent.Finished(Result("the sun")));
    }
}
