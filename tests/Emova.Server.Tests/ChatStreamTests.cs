using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Media;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>/v1/chat/completions with <c>stream</c>: the frames, their order, and that their pieces are the whole answer.</summary>
public sealed class ChatStreamTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Fact]
    public async Task Text_comes_in_pieces_that_make_the_whole_answer()
    {
        string whole = (await server.Client.OkAsync(Chat.Typed())).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        List<string> events = await server.Client.EventsAsync(Chat.Typed("""{"stream": true, "stream_options": {"include_usage": true}}"""));
        Assert.Equal("[DONE]", events[^1]);
        List<JsonElement> chunks = [.. events.SkipLast(1).Select(data => JsonDocument.Parse(data).RootElement)];
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.All(chunks, chunk => Assert.Equal("chat.completion.chunk", chunk.GetProperty("object").GetString()));
        Assert.Equal("""{"role":"assistant","content":"","refusal":null}""", chunks[0].GetProperty("choices")[0].GetProperty("delta").GetRawText());
        List<JsonElement> deltas = Deltas(chunks);
        Assert.Equal(whole, string.Concat(deltas.Where(delta => delta.TryGetProperty("content", out _)).Select(delta => delta.GetProperty("content").GetString())));
        Assert.Empty(chunks[^1].GetProperty("choices").EnumerateArray());
        Assert.True(chunks[^1].GetProperty("usage").GetProperty("total_tokens").GetInt32() > 0);
        Assert.NotNull(chunks[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.All(chunks.SkipLast(2), chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("choices")[0].GetProperty("finish_reason").ValueKind));
    }

    [Fact]
    public async Task Audio_comes_in_the_order_of_the_protocol_and_equals_the_whole_answer()
    {
        const string Aloud = "\"modalities\": [\"text\", \"audio\"], \"max_completion_tokens\": 1500, \"audio\": {\"voice\": \"female\", \"format\": \"pcm16\"}";
        JsonElement whole = (await server.Client.OkAsync(Chat.Request(Chat.User(Chat.Audio()), $"{{{Aloud}}}"))).GetProperty("choices")[0].GetProperty("message").GetProperty("audio");
        List<string> events = await server.Client.EventsAsync(Chat.Request(Chat.User(Chat.Audio()), $"{{\"stream\": true, {Aloud}}}"));
        List<JsonElement> chunks = [.. events.SkipLast(1).Select(data => JsonDocument.Parse(data).RootElement)];
        List<JsonElement> deltas = Deltas(chunks);
        Assert.Equal("""{"role":"assistant","content":null,"refusal":null}""", deltas[0].GetRawText());
        List<JsonElement> audio = [.. deltas.Where(delta => delta.TryGetProperty("audio", out _)).Select(delta => delta.GetProperty("audio"))];
        Assert.Single(audio.Select(piece => piece.GetProperty("id").GetString()).Distinct());
        byte[][] pieces = [.. audio.Where(piece => piece.TryGetProperty("data", out _)).Select(piece => piece.GetProperty("data").GetBytesFromBase64())];
        Assert.True(pieces.Length > 1, "the audio came in one piece");
        Assert.All(pieces, piece => Assert.Equal(0, piece.Length % 2));
        Assert.Equal(whole.GetProperty("data").GetBytesFromBase64(), pieces.SelectMany(piece => piece));
        Assert.Equal(whole.GetProperty("transcript").GetString(), string.Concat(audio.Where(piece => piece.TryGetProperty("transcript", out _)).Select(piece => piece.GetProperty("transcript").GetString())));
        Assert.Equal(["id", "expires_at"], audio[^1].EnumerateObject().Select(field => field.Name));
        Assert.NotNull(chunks[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task A_call_comes_as_name_and_argument_pieces()
    {
        List<string> events = await server.Client.EventsAsync(Chat.Typed("""
            {"stream": true, "max_completion_tokens": 400, "tool_choice": "required", "parallel_tool_calls": false,
             "tools": [{"type": "function", "function": {"name": "paint", "parameters": {"type": "object", "required": ["color"], "properties": {"color": {"enum": ["red", "blue"]}}}}}]}
            """));
        List<JsonElement> calls = [.. Deltas([.. events.SkipLast(1).Select(data => JsonDocument.Parse(data).RootElement)])
            .Where(delta => delta.TryGetProperty("tool_calls", out _)).Select(delta => delta.GetProperty("tool_calls")[0])];
        Assert.Equal("paint", calls[0].GetProperty("function").GetProperty("name").GetString());
        Assert.StartsWith("call_", calls[0].GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.All(calls.Skip(1), call => Assert.False(call.TryGetProperty("id", out _)));
        string arguments = string.Concat(calls.Select(call => call.GetProperty("function").GetProperty("arguments").GetString()));
        Assert.Contains(JsonDocument.Parse(arguments).RootElement.GetProperty("color").GetString(), (string[])["red", "blue"]);
    }

    [Fact]
    public async Task An_error_before_the_first_piece_is_an_ordinary_error() =>
        await server.Client.RefusedAsync(Chat.Request(new JsonObject { ["role"] = "user", ["content"] = string.Concat(Enumerable.Repeat("xyz ", 3000)) }, """{"stream": true}"""));

    private static List<JsonElement> Deltas(List<JsonElement> chunks) =>
        [.. chunks.Where(chunk => chunk.GetProperty("choices").GetArrayLength() > 0).Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta"))];
}
