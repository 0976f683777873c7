using System.Text.Json.Nodes;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Text;
using Xunit;
using static Emova.Server.Tests.Realtime.SessionHarness;

namespace Emova.Server.Tests.Realtime;

/// <summary>Functions that the model may call in a live session.</summary>
public sealed class ToolTests
{
    private const string Tools = """
        {"type":"session.update","session":{"type":"realtime","instructions":"Be brief.","tools":[
            {"type":"function","name":"look","description":"Looks up.","parameters":{"type":"object","properties":{"what":{"type":"string"}}}},
            {"type":"function","function":{"name":"wait"}}]}}
        """;

    private readonly SessionHarness _session = new();

    public ToolTests()
    {
        _session.Take();
        _session.Client(Tools);
        _session.Say("what is up");
    }

    [Fact]
    public void A_call_is_an_item_of_its_own_and_its_result_goes_back()
    {
        Assert.Equal(["response.created"], Types(_session.Client("""{"type":"response.create"}""")));
        EngineRequest request = Assert.Single(_session.Jobs).Request;
        Assert.NotNull(request.Grammar);
        Assert.False(request.Speak);
        Assert.StartsWith("Be brief.", request.System, StringComparison.Ordinal);
        Assert.Contains("\"look\"", request.System, StringComparison.Ordinal);
        Assert.Contains("\"wait\"", request.System, StringComparison.Ordinal);

        string call = ToolPrompt.Call("look", "{\"what\": \"the {sky}\"}");
        List<JsonObject> events = _session.Engine(new EngineEvent.Answer(call[..30]), new EngineEvent.Answer(call[30..45]), new EngineEvent.Answer(call[45..]), new EngineEvent.Finished(Result(raw: call)));
        string[] types = Types(events);
        Assert.Equal(["response.output_item.added", "conversation.item.added"], types[..2]);
        Assert.Equal(["response.function_call_arguments.done", "conversation.item.done", "response.output_item.done", "response.done"], types[^4..]);
        Assert.Equal(("function_call", "in_progress", "look"), ((string?)events[0]["item"]!["type"], (string?)events[0]["item"]!["status"], (string?)events[0]["item"]!["name"]));
        JsonObject done = events[^4];
        Assert.Equal(("{\"what\": \"the {sky}\"}", "look"), ((string?)done["arguments"], (string?)done["name"]));
        Assert.Equal((string?)done["arguments"], string.Concat(events.Where(e => Type(e) == "response.function_call_arguments.delta").Select(e => (string?)e["delta"])));
        Assert.Equal("completed", (string?)events[^1]["response"]!["status"]);
        Assert.Equal((string?)done["call_id"], (string?)events[^1]["response"]!["output"]![0]!["call_id"]);
        _session.End();

        _session.Client($$$$$$"""{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"{{{{{{(string?)done["call_id"]}}}}}}","output":"blue"}}""");
        _session.Client("""{"type":"response.create"}""");
        Assert.Equal(["what is up", call, ToolPrompt.Result("blue")], Assert.Single(_session.Jobs).Request.Messages.Select(message => message.Text));
    }

    [Fact]
    public void Text_instead_of_a_call_is_spoken_once_it_is_written()
    {
        _session.Client("""{"type":"response.create"}""");
        List<JsonObject> events = _session.Engine(
            new EngineEvent.Started(new PromptUsage(10, 0, 0, 4)), new EngineEvent.Answer("the sky") { TextTokens = 2 }, new EngineEvent.Finished(Result("the sky")));
        Assert.Equal(["response.output_item.added", "conversation.item.added", "response.content_part.added", "response.output_audio_transcript.delta"], Types(events));
        (string speaking, EngineRequest request) = _session.Jobs[^1];
        Assert.Equal((EngineTask.Speak, "the sky"), (request.Task, request.Messages[0].Text));
        events = _session.Engine(new EngineEvent.Audio(Vowel(100), 24000), new EngineEvent.Finished(Result("the sky")));
        Assert.Equal("response.output_audio.delta", Type(events[0]));
        JsonNode response = events[^1]["response"]!;
        Assert.Equal("completed", (string?)response["status"]);
        Assert.Equal((2 * 18, 2 * 16), ((int)response["usage"]!["input_tokens"]!, (int)response["usage"]!["output_tokens"]!));
        Assert.NotEqual("resp_1", speaking);
    }

    /// <summary>Wherever a call is cut off, what is passed on is the beginning of its arguments and nothing of the call around them.</summary>
    [Fact]
    public void A_call_that_is_cut_short_ends_within_its_arguments()
    {
        const string Arguments = "{\"what\": {\"sky\": 1}}";
        string call = ToolPrompt.Call("look", Arguments);
        for (int length = 1; length <= call.Length; length++)
        {
            System.Text.StringBuilder passed = new();
            ToolCallReader reader = new(_ => { }, (_, _) => { }, (_, piece) => passed.Append(piece));
            foreach (char letter in call[..length])
                reader.Add(letter.ToString());
            reader.Finish();
            Assert.StartsWith(passed.ToString(), Arguments, StringComparison.Ordinal);
            if (length >= call.IndexOf(Arguments, StringComparison.Ordinal) + Arguments.Length)
                Assert.Equal(Arguments, passed.ToString());
        }
    }

    [Fact]
    public void Speaking_over_a_call_leaves_it_incomplete()
    {
        _session.Client("""{"type":"response.create"}""");
        string call = ToolPrompt.Call("look", "{\"what\": \"sky\"}");
        _session.Engine(new EngineEvent.Answer(call[..^20]));
        List<JsonObject> events = _session.Client("""{"type":"response.cancel"}""");
        Assert.Equal("incomplete", (string?)events.Single(e => Type(e) == "response.output_item.done")["item"]!["status"]);
        Assert.Equal("cancelled", (string?)events[^1]["response"]!["status"]);
    }

    [Theory]
    [InlineData("\"none\"", false)]
    [InlineData("\"auto\"", true)]
    [InlineData("\"required\"", true)]
    [InlineData("{\"type\":\"function\",\"name\":\"wait\"}", true)]
    public void The_choice_of_tools_is_honored(string choice, bool mayCall)
    {
        _session.Client($$$$$$"""{"type":"response.create","response":{"tool_choice":{{{{{{choice}}}}}}}}""");
        EngineRequest request = _session.Jobs[^1].Request;
        Assert.Equal(mayCall, request.Grammar is not null);
        Assert.Equal(mayCall && choice[0] != '{', request.System!.Contains("\"look\"", StringComparison.Ordinal));
        Assert.Equal(choice == "\"auto\"", _session.CallsMayBeText == true);
    }

    [Fact]
    public void A_tool_that_is_not_there_cannot_be_chosen() => Assert.Equal(
        "tool_choice", (string?)_session.Refused("""{"type":"response.create","response":{"tool_choice":{"type":"function","name":"fly"}}}""")["param"]);
}
