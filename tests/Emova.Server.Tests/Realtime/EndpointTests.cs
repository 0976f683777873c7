using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Emova.Server.Tests.Realtime;

/// <summary>The endpoint over real sockets, with a model whose weights are random: what it says is nonsense, that it comes in order is not.</summary>
public sealed class EndpointTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Fact]
    public async Task A_typed_turn_is_answered_aloud()
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        Assert.Equal("emova-test", (string?)(await client.Next("session.created"))["session"]!["model"]);
        await client.Send("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        await client.Send("""{"type":"response.create","response":{"max_output_tokens":40}}""");
        List<JsonObject> events = await client.Until("response.done");
        AssertClosedOnce(events);
        JsonNode response = events[^1]["response"]!;
        Assert.Contains((string?)response["status"], (string[])["completed", "incomplete"]);
        JsonNode usage = response["usage"]!;
        Assert.Equal((int)usage["total_tokens"]!, (int)usage["input_tokens"]! + (int)usage["output_tokens"]!);
        Assert.Equal((int)usage["output_tokens"]!, (int)usage["output_token_details"]!["text_tokens"]! + (int)usage["output_token_details"]!["audio_tokens"]!);
        Assert.InRange((int)usage["output_tokens"]!, 1, 40);
    }

    [Fact]
    public async Task A_spoken_turn_is_heard_and_answered_aloud()
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        await client.Send("""{"type":"session.update","session":{"type":"realtime","max_output_tokens":600,"audio":{"input":{"transcription":{"model":"emova"}}}}}""");
        float[] sound = [.. SessionHarness.Silence(300), .. SessionHarness.Vowel(500), .. SessionHarness.Silence(900)];
        for (int at = 0; at < sound.Length; at += 2400)
            await client.Send($$$$$$"""{"type":"input_audio_buffer.append","audio":"{{{{{{SessionHarness.Pcm(sound[at..Math.Min(sound.Length, at + 2400)])}}}}}}"}""");
        List<JsonObject> events = await client.Until("response.done");
        string[] types = SessionHarness.Types(events);
        int Index(string type) => Array.IndexOf(types, type);
        Assert.True(Index("input_audio_buffer.speech_started") < Index("input_audio_buffer.speech_stopped"));
        Assert.True(Index("input_audio_buffer.speech_stopped") < Index("input_audio_buffer.committed"));
        Assert.True(Index("input_audio_buffer.committed") < Index("response.created"));
        AssertClosedOnce(events);
        Assert.True((int)events[^1]["response"]!["usage"]!["input_token_details"]!["audio_tokens"]! > 0);
    }

    [Fact]
    public async Task Cancelling_frees_the_engine_for_the_next_answer()
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        await client.Send("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        await client.Send("""{"type":"response.create"}""");
        await client.Next("response.created");
        await client.Send("""{"type":"response.cancel"}""");
        Assert.Contains((string?)(await client.Next("response.done"))["response"]!["status"], (string[])["cancelled", "completed"]);
        // The first answer may have been complete already.
        await client.Send("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        await client.Send("""{"type":"response.create","response":{"max_output_tokens":2,"output_modalities":["text"]}}""");
        Assert.Equal("incomplete", (string?)(await client.Next("response.done"))["response"]!["status"]);
    }

    [Fact]
    public async Task Malformed_events_are_answered_and_change_nothing()
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        await client.Next("session.created");
        Random random = new(1);
        byte[] valid = Encoding.UTF8.GetBytes("""{"type":"session.update","event_id":"e","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}""");
        for (int i = 0; i < 200; i++)
        {
            byte[] broken = [.. valid];
            broken[random.Next(broken.Length)] = (byte)"{}[]\":,x0"[random.Next(9)];
            await client.Send(Encoding.UTF8.GetString(broken));
            string type = SessionHarness.Type(await client.Next());
            Assert.Contains(type, (string[])["error", "session.updated"]);
        }

        await client.Socket.SendAsync(new byte[10], WebSocketMessageType.Binary, true, CancellationToken.None);
        Assert.Equal("invalid_event", (string?)(await client.Next("error"))["error"]!["code"]);
        await client.Send("""{"type":"input_audio_buffer.clear"}""");
        await client.Next("input_audio_buffer.cleared");
    }

    [Fact]
    public async Task An_event_that_is_too_large_ends_the_session_with_a_reason()
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        await client.Next("session.created");
        byte[] piece = new byte[1 << 20];
        piece.AsSpan().Fill((byte)' ');
        try
        {
            for (int i = 0; i < 18; i++)
                await client.Socket.SendAsync(piece, WebSocketMessageType.Text, false, CancellationToken.None);
        }
        catch (WebSocketException)
        {
            // The server has heard enough.
        }

        Assert.Equal("invalid_event", (string?)(await client.Next("error"))["error"]!["code"]);
        Assert.Null(await client.TryNext());
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, client.Socket.CloseStatus);
    }

    [Fact]
    public async Task The_dialect_follows_the_connection()
    {
        await using (LiveClient header = await LiveClient.ConnectAsync(server, options => options.SetRequestHeader("OpenAI-Beta", "realtime=v1")))
            Assert.Equal("pcm16", (string?)(await header.Next("session.created"))["session"]!["input_audio_format"]);
        await using LiveClient protocol = await LiveClient.ConnectAsync(server, options =>
        {
            options.AddSubProtocol("realtime");
            options.AddSubProtocol("openai-beta.realtime-v1");
        });
        Assert.Equal("realtime", protocol.Socket.SubProtocol);
        Assert.Equal("pcm16", (string?)(await protocol.Next("session.created"))["session"]!["input_audio_format"]);
    }

    [Fact]
    public async Task What_is_no_session_is_refused_before_the_upgrade()
    {
        Assert.Equal(HttpStatusCode.UpgradeRequired, (await server.Client.GetAsync("/v1/realtime")).StatusCode);
        WebSocketException unknown = await Assert.ThrowsAsync<WebSocketException>(() => LiveClient.ConnectAsync(server, query: "?model=other"));
        Assert.Contains("404", unknown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_sessions_than_allowed_are_refused()
    {
        await using ServerFixture small = new(new() { ["Realtime:MaxSessions"] = "1" });
        await using (LiveClient first = await LiveClient.ConnectAsync(small))
        {
            await first.Next("session.created");
            WebSocketException full = await Assert.ThrowsAsync<WebSocketException>(() => LiveClient.ConnectAsync(small));
            Assert.Contains("503", full.Message, StringComparison.Ordinal);
        }

        // The place is free again as soon as the server has seen the client leave.
        for (int i = 0; ; i++)
        {
            try
            {
                await using LiveClient second = await LiveClient.ConnectAsync(small);
                await second.Next("session.created");
                return;
            }
            catch (WebSocketException) when (i < 100)
            {
                await Task.Delay(100, TestContext.Current.CancellationToken);
            }
        }
    }

    [Fact]
    public async Task Sessions_do_not_hear_each_other()
    {
        LiveClient[] clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => LiveClient.ConnectAsync(server)));
        string[] answers = await Task.WhenAll(clients.Select(async (client, i) =>
        {
            await client.Send($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"client {{{{{{i}}}}}}"}]}}""");
            await client.Send($$$$$$"""{"type":"response.create","response":{"max_output_tokens":5,"output_modalities":["text"],"metadata":{"client":"{{{{{{i}}}}}}"}}}""");
            return (string)(await client.Next("response.done"))["response"]!["metadata"]!["client"]!;
        }));
        Assert.Equal(["0", "1", "2", "3"], answers);
        foreach (LiveClient client in clients)
            await client.DisposeAsync();
    }

    [Fact]
    public async Task Killed_clients_leave_nothing_behind()
    {
        for (int i = 0; i < 5; i++)
        {
            LiveClient client = await LiveClient.ConnectAsync(server);
            await client.Send("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
            await client.Send("""{"type":"response.create"}""");
            await client.Next("response.created");
            client.Socket.Abort();
        }

        for (int i = 0; server.Engine.Load is not { Running: 0, Waiting: 0 } && i < 600; i++)
            await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Equal((0, 0), (server.Engine.Load.Running, server.Engine.Load.Waiting));
    }

    private static void AssertClosedOnce(List<JsonObject> events)
    {
        string[] order = ["response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done", "conversation.item.done", "response.output_item.done", "response.done"];
        Assert.Equal(order, SessionHarness.Types(events)[^order.Length..]);
        Assert.All(order[..3], type => Assert.Single(events, happening => SessionHarness.Type(happening) == type));
    }
}
