using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Media;
using Emova.Text;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>/v1/chat/completions, whole answers. The model has random weights: forms are checked, not what it says.</summary>
public sealed class ChatTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Fact]
    public async Task A_typed_question_is_answered_in_text()
    {
        JsonElement completion = await server.Client.OkAsync(Chat.Typed());
        Assert.StartsWith("chatcmpl-", completion.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("chat.completion", completion.GetProperty("object").GetString());
        Assert.Equal("emova-test", completion.GetProperty("model").GetString());
        Assert.StartsWith("fp_", completion.GetProperty("system_fingerprint").GetString(), StringComparison.Ordinal);
        JsonElement choice = completion.GetProperty("choices").EnumerateArray().Single();
        Assert.Equal(0, choice.GetProperty("index").GetInt32());
        Assert.Contains(choice.GetProperty("finish_reason").GetString(), (string[])["stop", "length"]);
        JsonElement message = choice.GetProperty("message");
        Assert.Equal("assistant", message.GetProperty("role").GetString());
        Assert.NotEmpty(message.GetProperty("content").GetString()!);
        Assert.Equal(JsonValueKind.Null, message.GetProperty("refusal").ValueKind);
        Assert.False(message.TryGetProperty("audio", out _) || message.TryGetProperty("tool_calls", out _));
        CheckUsage(completion.GetProperty("usage"), most: 12);
    }

    [Fact]
    public async Task A_spoken_question_about_a_picture_is_answered_aloud()
    {
        JsonElement completion = await server.Client.OkAsync(Chat.Request(
            Chat.User(Chat.Text("be brief"), Chat.Picture(), Chat.Audio()),
            """{"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}, "max_completion_tokens": 1500}"""));
        JsonElement message = completion.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
        JsonElement audio = message.GetProperty("audio");
        Assert.StartsWith("audio_", audio.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.True(audio.GetProperty("expires_at").GetInt64() > completion.GetProperty("created").GetInt64());
        Assert.NotNull(audio.GetProperty("transcript").GetString());
        AudioClip clip = WavFile.Read(new MemoryStream(audio.GetProperty("data").GetBytesFromBase64()), "answer");
        Assert.Equal(24000, clip.SampleRate);
        JsonElement spoken = message.GetProperty("emova");
        Assert.Contains(spoken.GetProperty("emotion").GetString(), ReplyFormat.Emotions);
        Assert.StartsWith("female-", spoken.GetProperty("style").GetString(), StringComparison.Ordinal);
        JsonElement usage = completion.GetProperty("usage");
        CheckUsage(usage, most: 1500);
        Assert.True(usage.GetProperty("prompt_tokens_details").GetProperty("audio_tokens").GetInt32() > 0);
        Assert.True(usage.GetProperty("prompt_tokens_details").GetProperty("image_tokens").GetInt32() > 0);
        Assert.True(usage.GetProperty("completion_tokens_details").GetProperty("audio_tokens").GetInt32() > 0);

        // The next turn names the spoken one; its units are part of the prompt then.
        JsonObject next = Chat.Request(Chat.User(Chat.Audio()));
        next["messages"]!.AsArray().Insert(0, new JsonObject { ["role"] = "assistant", ["audio"] = new JsonObject { ["id"] = audio.GetProperty("id").GetString() } });
        next["messages"]!.AsArray().Insert(0, Chat.User(Chat.Audio()));
        JsonElement second = (await server.Client.OkAsync(next)).GetProperty("usage").GetProperty("prompt_tokens_details");
        Assert.True(second.GetProperty("audio_tokens").GetInt32() > usage.GetProperty("completion_tokens_details").GetProperty("audio_tokens").GetInt32());
    }

    [Fact]
    public async Task A_spoken_question_may_be_answered_in_text()
    {
        JsonElement completion = await server.Client.OkAsync(Chat.Request(Chat.User(Chat.Audio()), """{"max_completion_tokens": 2000}"""));
        JsonElement message = completion.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(JsonValueKind.String, message.GetProperty("content").ValueKind);
        Assert.False(message.TryGetProperty("audio", out _));
        Assert.Equal(0, completion.GetProperty("usage").GetProperty("completion_tokens_details").GetProperty("audio_tokens").GetInt32());
    }

    [Theory]
    [InlineData("flac", "fLaC")]
    [InlineData("wav", "RIFF")]
    public async Task A_typed_question_may_be_answered_aloud(string format, string magic)
    {
        JsonElement completion = await server.Client.OkAsync(Chat.Typed($$"""{"max_completion_tokens": 200, "modalities": ["text", "audio"], "audio": {"voice": {"id": "male-sad-low"}, "format": "{{format}}"} }"""));
        JsonElement message = completion.GetProperty("choices")[0].GetProperty("message");
        Assert.StartsWith(magic, System.Text.Encoding.ASCII.GetString(message.GetProperty("audio").GetProperty("data").GetBytesFromBase64()), StringComparison.Ordinal);
        Assert.Equal("male-sad-low", message.GetProperty("emova").GetProperty("style").GetString());
        Assert.True(completion.GetProperty("usage").GetProperty("completion_tokens_details").GetProperty("audio_tokens").GetInt32() > 0);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_answer()
    {
        JsonObject request = Chat.Typed("""{"temperature": 1.0, "seed": 7}""");
        string first = Content(await server.Client.OkAsync(request));
        Assert.Equal(first, Content(await server.Client.OkAsync(request)));
        HashSet<string> others = [];
        for (int seed = 0; seed < 4; seed++)
            others.Add(Content(await server.Client.OkAsync(Chat.Typed($$"""{"temperature": 1.0, "seed": {{seed}}}"""))));
        Assert.True(others.Count > 1);
    }

    [Fact]
    public async Task A_stop_text_ends_the_answer_before_it()
    {
        string whole = Content(await server.Client.OkAsync(Chat.Typed()));
        string stop = whole[(whole.Length / 2)..][..1];
        JsonObject request = Chat.Typed();
        request["stop"] = stop;
        JsonElement completion = await server.Client.OkAsync(request);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], Content(completion));
        Assert.Equal("stop", completion.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task A_schema_makes_the_answer_fit_it()
    {
        JsonElement completion = await server.Client.OkAsync(Chat.Typed("""
            {"max_completion_tokens": 400, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {
              "type": "object", "additionalProperties": false, "required": ["kind", "on"],
              "properties": {"kind": {"enum": ["cat", "dog"]}, "on": {"type": "boolean"}}}}}}
            """));
        JsonElement answer = JsonDocument.Parse(Content(completion)).RootElement;
        Assert.Contains(answer.GetProperty("kind").GetString(), (string[])["cat", "dog"]);
        Assert.Contains(answer.GetProperty("on").ValueKind, (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);
        Assert.Equal("stop", completion.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    private const string Tools = """
        "tools": [{"type": "function", "function": {"name": "set_light", "description": "Switches a light.", "parameters": {
          "type": "object", "required": ["room", "on"], "properties": {"room": {"enum": ["hall", "attic"]}, "on": {"type": "boolean"}}}}}]
        """;

    [Fact]
    public async Task A_required_function_is_called_with_fitting_arguments()
    {
        JsonElement completion = await server.Client.OkAsync(Chat.Typed($$"""{"max_completion_tokens": 400, "tool_choice": "required", "parallel_tool_calls": false, {{Tools}} }"""));
        JsonElement choice = completion.GetProperty("choices")[0];
        Assert.Equal("tool_calls", choice.GetProperty("finish_reason").GetString());
        JsonElement call = choice.GetProperty("message").GetProperty("tool_calls").EnumerateArray().Single();
        Assert.Equal("function", call.GetProperty("type").GetString());
        Assert.Equal("set_light", call.GetProperty("function").GetProperty("name").GetString());
        JsonElement arguments = JsonDocument.Parse(call.GetProperty("function").GetProperty("arguments").GetString()!).RootElement;
        Assert.Contains(arguments.GetProperty("room").GetString(), (string[])["hall", "attic"]);
        Assert.Equal(JsonValueKind.Null, choice.GetProperty("message").GetProperty("content").ValueKind);

        // The call and its result come back in the next request.
        JsonObject next = Chat.Typed($"{{{Tools}}}");
        next["messages"]!.AsArray().Add(new JsonObject { ["role"] = "assistant", ["content"] = null, ["tool_calls"] = new JsonArray(JsonNode.Parse(call.GetRawText())!) });
        next["messages"]!.AsArray().Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = call.GetProperty("id").GetString(), ["content"] = "done" });
        Assert.Equal("assistant", (await server.Client.OkAsync(next)).GetProperty("choices")[0].GetProperty("message").GetProperty("role").GetString());
    }

    [Fact]
    public async Task Choosing_no_function_gives_text()
    {
        JsonElement choice = (await server.Client.OkAsync(Chat.Typed($$"""{"tool_choice": "none", {{Tools}} }"""))).GetProperty("choices")[0];
        Assert.False(choice.GetProperty("message").TryGetProperty("tool_calls", out _));
    }

    [Theory]
    [InlineData("""{"n": 2}""", "n")]
    [InlineData("""{"logprobs": true}""", "logprobs")]
    [InlineData("""{"top_logprobs": 2}""", "top_logprobs")]
    [InlineData("""{"presence_penalty": 0.5}""", "presence_penalty")]
    [InlineData("""{"frequency_penalty": 0.5}""", "frequency_penalty")]
    [InlineData("""{"logit_bias": {"3": 1}}""", "logit_bias")]
    [InlineData("""{"functions": []}""", "functions")]
    [InlineData("""{"reasoning_effort": "high"}""", "reasoning_effort")]
    [InlineData("""{"prediction": {}}""", "prediction")]
    [InlineData("""{"store": true}""", "store")]
    [InlineData("""{"stream_options": {"include_usage": true}}""", "stream_options")]
    [InlineData("""{"temperature": 3}""", "temperature")]
    [InlineData("""{"temperature": "hot"}""", "temperature")]
    [InlineData("""{"top_p": -1}""", "top_p")]
    [InlineData("""{"max_tokens": 0}""", "max_tokens")]
    [InlineData("""{"stop": ["a", "b", "c", "d", "e"]}""", "stop")]
    [InlineData("""{"stop": [""]}""", "stop")]
    [InlineData("""{"modalities": ["video"]}""", "modalities")]
    [InlineData("""{"modalities": ["text", "audio"]}""", "audio")]
    [InlineData("""{"audio": {"voice": "alloy", "format": "wav"}}""", "audio")]
    [InlineData("""{"modalities": ["audio"], "audio": {"voice": "alloy"}}""", "audio.format")]
    [InlineData("""{"modalities": ["audio"], "audio": {"voice": "alloy", "format": "mp3"}}""", "audio.format")]
    [InlineData("""{"modalities": ["audio"], "audio": {"format": "wav"}}""", "audio.voice")]
    [InlineData("""{"modalities": ["audio"], "audio": {"voice": "robot", "format": "wav"}}""", "audio.voice")]
    [InlineData("""{"modalities": ["audio"], "audio": {"voice": "alloy", "format": "wav", "emotion": "hungry"}}""", "audio.emotion")]
    [InlineData("""{"modalities": ["audio"], "audio": {"voice": "alloy", "format": "wav", "speed": 9}}""", "audio.speed")]
    [InlineData("""{"modalities": ["audio"], "stream": true, "audio": {"voice": "alloy", "format": "wav"}}""", "audio.format")]
    [InlineData("""{"response_format": {"type": "yaml"}}""", "response_format.type")]
    [InlineData("""{"response_format": {"type": "json_schema"}}""", "response_format.json_schema.schema")]
    [InlineData("""{"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string", "pattern": "a"}}}}""", "response_format.json_schema.schema")]
    [InlineData("""{"tools": [{"type": "retrieval"}]}""", "tools[0]")]
    [InlineData("""{"tools": [{"type": "function", "function": {"name": "a b"}}]}""", "tools[0]")]
    [InlineData("""{"tools": [{"type": "function", "function": {"name": "a"}}], "tool_choice": {"type": "function", "function": {"name": "b"}}}""", "tool_choice")]
    [InlineData("""{"tools": [{"type": "function", "function": {"name": "a"}}], "tool_choice": "maybe"}""", "tool_choice")]
    [InlineData("""{"messages": []}""", "messages")]
    [InlineData("""{"messages": null}""", "messages")]
    [InlineData("""{"messages": [null]}""", "messages[0]")]
    [InlineData("""{"messages": [{"role": "king", "content": "a"}]}""", "messages[0].role")]
    [InlineData("""{"messages": [{"role": "user"}]}""", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "user", "content": 3}]}""", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "file"}]}]}""", "messages[0].content[0].type")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}""", "messages[0].content[0].image_url.url")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}""", "messages[0].content[0].image_url.url")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,????"}}]}]}""", "messages[0].content[0].image_url.url")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}""", "messages[0].content[0].image_url.url")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]}]}""", "messages[0].content[0].input_audio.format")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]}""", "messages[0].content[0].input_audio.data")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "audio": {"id": "audio_none"}}]}""", "messages[1].audio.id")]
    [InlineData("""{"messages": [{"role": "assistant", "content": "a"}]}""", "messages")]
    [InlineData("""{"model": ""}""", "model")]
    public async Task What_is_wrong_or_unsupported_is_a_400_that_names_the_parameter(string change, string param)
    {
        JsonElement error = await server.Client.RefusedAsync(Chat.Typed(change));
        Assert.Equal(param, error.GetProperty("param").GetString());
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
    }

    [Fact]
    public async Task Another_model_is_not_found() =>
        Assert.Equal("model_not_found", (await server.Client.RefusedAsync(Chat.Typed("""{"model": "gpt-9"}"""), HttpStatusCode.NotFound)).GetProperty("code").GetString());

    [Fact]
    public async Task Unknown_fields_are_no_error() => Assert.NotEmpty(Content(await server.Client.OkAsync(Chat.Typed("""{"new_field": {"a": 1}, "user": "me", "metadata": {}}"""))));

    [Fact]
    public async Task A_conversation_that_is_too_long_is_refused()
    {
        JsonObject request = Chat.Request(new JsonObject { ["role"] = "user", ["content"] = string.Concat(Enumerable.Repeat("xyz ", 3000)) });
        Assert.Contains("positions", (await server.Client.RefusedAsync(request)).GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string Content(JsonElement completion) => completion.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    private static void CheckUsage(JsonElement usage, int most)
    {
        int prompt = usage.GetProperty("prompt_tokens").GetInt32(), written = usage.GetProperty("completion_tokens").GetInt32();
        Assert.Equal(prompt + written, usage.GetProperty("total_tokens").GetInt32());
        Assert.InRange(written, 1, most);
        JsonElement parts = usage.GetProperty("prompt_tokens_details");
        Assert.Equal(prompt, parts.GetProperty("text_tokens").GetInt32() + parts.GetProperty("audio_tokens").GetInt32() + parts.GetProperty("image_tokens").GetInt32());
        JsonElement made = usage.GetProperty("completion_tokens_details");
        Assert.Equal(written, made.GetProperty("text_tokens").GetInt32() + made.GetProperty("audio_tokens").GetInt32());
    }
}
