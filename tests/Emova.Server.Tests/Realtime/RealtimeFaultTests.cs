using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Emova.Server.Realtime;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Emova.Server.Tests.Realtime;

/// <summary>Nothing else runs beside these: they measure what is left in memory.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>Hostile and broken clients of live sessions: the right code for each, the others are served on, and nothing is left behind.</summary>
[Collection("alone")]
public sealed class RealtimeFaultTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    private const int MalformedEvents = 10_000;

    // Far more than the sessions and answers of these tests need, far less than ten thousand events or one picture too many would keep.
    private const long AllowedGrowth = 8 << 20;

    [Fact]
    public async Task Ten_thousand_malformed_events_are_answered_by_name_while_others_are_served()
    {
        await AskAsync(server); // whatever is made once is made now
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await using (LiveClient hostile = await LiveClient.ConnectAsync(server))
        {
            await hostile.Next("session.created");
            Random random = new(7);
            Queue<(string Code, string Event)> expected = [];
            for (int i = 0; i < MalformedEvents; i++)
            {
                (string json, string code) = Malformed[i % Malformed.Length];
                string id = FormattableString.Invariant($"e{i}");
                json = json.Replace("<id>", id, StringComparison.Ordinal).Replace("<text>", Noise(random), StringComparison.Ordinal);
                await hostile.Send(json);
                // Broken JSON has no name; everything else is answered with the name of the event, where it has one.
                expected.Enqueue((code, code != "invalid_json" && json.Contains(id, StringComparison.Ordinal) ? id : ""));
                if (expected.Count < 50 && i < MalformedEvents - 1)
                    continue;
                while (expected.TryDequeue(out (string Code, string Event) wanted))
                {
                    JsonObject answer = await hostile.Next();
                    Assert.True(SessionHarness.Type(answer) == "error", answer.ToJsonString());
                    Assert.Equal(wanted, ((string)answer["error"]!["code"]!, (string?)answer["error"]!["event_id"] ?? ""));
                }

                if (i % 2500 < 50)
                    await AskAsync(server);
            }

            // The session itself has taken no harm.
            await AskAsync(hostile);
        }

        await EmptyAsync(server);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, AllowedGrowth);
    }

    [Fact]
    public async Task Pictures_that_would_unfold_to_gigabytes_are_refused_without_memory_for_them()
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        await client.Next("session.created");
        long before = GC.GetTotalAllocatedBytes();
        foreach (byte[] bomb in (byte[][])[Pictures.Png(60_000, 60_000), Pictures.Png(int.MaxValue, int.MaxValue), Pictures.Png(16_000, 1000, Pictures.Bomb), Pictures.JpegHeader(65_500, 65_500)])
        {
            string kind = bomb[0] == 0xFF ? "jpeg" : "png";
            await client.Send($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/{{{{{{kind}}}}}};base64,{{{{{{Convert.ToBase64String(bomb)}}}}}}"}]}}""");
            JsonNode error = (await client.Next())["error"]!;
            Assert.Equal(("invalid_value", "item.content[0].image_url"), ((string?)error["code"], (string?)error["param"]));
        }

        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 200_000_000);
        await AskAsync(client);
    }

    [Fact]
    public async Task A_hundred_megabytes_in_one_event_end_the_session_and_only_that()
    {
        await using LiveClient other = await LiveClient.ConnectAsync(server);
        using ClientWebSocket huge = (await LiveClient.ConnectAsync(server)).Socket;
        long before = GC.GetTotalAllocatedBytes();
        byte[] piece = Encoding.ASCII.GetBytes(new string('A', 1 << 20));
        try
        {
            await huge.SendAsync(Encoding.ASCII.GetBytes("""{"type":"input_audio_buffer.append","audio":" """), WebSocketMessageType.Text, false, TestContext.Current.CancellationToken);
            for (int i = 0; i < 100; i++)
                await huge.SendAsync(piece, WebSocketMessageType.Text, false, TestContext.Current.CancellationToken);
        }
        catch (WebSocketException)
        {
            // The server has heard enough and hung up.
        }

        // Buffers double while they grow: a few times what is allowed, and nothing near a hundred megabytes times that.
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 8L * RealtimeWorker.LargestEvent);
        await AskAsync(other);
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_disconnected_and_the_others_are_served_on()
    {
        await using ServerFixture small = new(new() { ["Realtime:MaxQueuedBytes"] = "65536", ["Realtime:StallSeconds"] = "1" });
        LiveClient deaf = await LiveClient.ConnectAsync(small);
        await deaf.Next("session.created");
        string sound = SessionHarness.Pcm(SessionHarness.Silence(10_000));
        await deaf.Send($$$$$$"""{"type":"conversation.item.create","item":{"id":"long","type":"message","role":"user","content":[{"type":"input_audio","audio":"{{{{{{sound}}}}}}"}]}}""");
        await deaf.Next("conversation.item.done");
        try
        {
            // Each asks for 640 kB, more than all buffers on the way hold.
            for (int i = 0; i < 200; i++)
                await deaf.Send("""{"type":"conversation.item.retrieve","item_id":"long"}""");
            await AskAsync(small);
        }
        catch (Exception gone) when (gone is WebSocketException or IOException or ObjectDisposedException)
        {
            // Disconnected while it was still asking.
        }

        await EmptyAsync(small);
        await AskAsync(small);
        deaf.Socket.Dispose();
    }

    /// <summary>A machine that lost its network neither closes nor answers: only the pings tell.</summary>
    [Fact]
    public async Task Half_open_connections_are_noticed_by_their_silence()
    {
        await using ServerFixture small = new(new() { ["Realtime:PingSeconds"] = "1" });
        Uri address = small.Client.BaseAddress!;
        List<TcpClient> silent = [];
        for (int i = 0; i < 5; i++)
        {
            TcpClient client = new();
            await client.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                $"GET /v1/realtime HTTP/1.1\r\nHost: {address.Authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), TestContext.Current.CancellationToken);
            byte[] answer = new byte[12];
            await client.GetStream().ReadExactlyAsync(answer, TestContext.Current.CancellationToken);
            Assert.Equal("HTTP/1.1 101", Encoding.ASCII.GetString(answer));
            silent.Add(client);
        }

        await EmptyAsync(small);
        await AskAsync(small);
        silent.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Killed_clients_leave_no_session_no_slot_and_no_memory()
    {
        const int Clients = 60;
        await AskAsync(server);
        string sound = SessionHarness.Pcm(SessionHarness.Vowel(5000));
        await KillAsync(Clients / 6, sound);
        await EmptyAsync(server);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await KillAsync(Clients, sound);
        await EmptyAsync(server);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, AllowedGrowth);
        await AskAsync(server);
    }

    [Fact]
    public async Task A_session_ends_at_its_time_with_a_reason()
    {
        EarlyClock clock = new();
        await using ServerFixture timed = new(new() { ["Realtime:SessionMinutes"] = "7" }, builder => builder.Services.AddSingleton<TimeProvider>(clock));
        await using LiveClient client = await LiveClient.ConnectAsync(timed);
        long expires = (long)(await client.Next("session.created"))["session"]!["expires_at"]!;
        Assert.InRange(expires - DateTimeOffset.UtcNow.ToUnixTimeSeconds(), (6 * 60) + 30, 7 * 60);
        clock.Ring(TimeSpan.FromMinutes(6));
        JsonNode error = (await client.Next())["error"]!;
        Assert.Equal("session_expired", (string?)error["code"]);
        Assert.Null(await client.TryNext());
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.Socket.CloseStatus);
    }

    [Fact]
    public async Task Answers_count_as_requests_and_too_many_fail_with_their_code()
    {
        await using ServerFixture limited = new(new() { ["Limits:RequestsPerMinute"] = "3" }, builder => builder.Services.AddSingleton<TimeProvider>(new StoppedClock()));
        await using LiveClient client = await LiveClient.ConnectAsync(limited); // the first of three
        await client.Send("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        List<string> ends = [];
        for (int i = 0; i < 3; i++)
        {
            await client.Send("""{"type":"response.create","response":{"conversation":"none","max_output_tokens":3,"output_modalities":["text"]}}""");
            List<JsonObject> events = await client.Until("response.done");
            JsonNode limit = events.Single(happening => SessionHarness.Type(happening) == "rate_limits.updated")["rate_limits"]![0]!;
            Assert.Equal(("requests", 3, Math.Max(0, 1 - i)), ((string?)limit["name"], (int)limit["limit"]!, (int)limit["remaining"]!));
            Assert.True((double)limit["reset_seconds"]! > 0);
            ends.Add((string?)events[^1]["response"]!["status_details"]?["error"]?["code"] ?? (string)events[^1]["response"]!["status"]!);
        }

        Assert.Equal(["incomplete", "incomplete", "rate_limit_exceeded"], ends);
    }

    /// <summary>Clients that have said something, asked something, and are gone at any moment of the answer.</summary>
    private async Task KillAsync(int count, string sound)
    {
        Random random = new(count);
        for (int i = 0; i < count; i++)
        {
            LiveClient client = await LiveClient.ConnectAsync(server);
            await client.Send($$$$$$"""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_audio","audio":"{{{{{{sound}}}}}}"}]}}""");
            await client.Send("""{"type":"response.create"}""");
            for (int j = random.Next(1, 12); j > 0 && SessionHarness.Type(await client.Next()) != "response.done"; j--)
            {
            }

            client.Socket.Abort();
            client.Socket.Dispose();
        }
    }

    private static async Task AskAsync(ServerFixture server)
    {
        await using LiveClient client = await LiveClient.ConnectAsync(server);
        await AskAsync(client);
    }

    private static async Task AskAsync(LiveClient client)
    {
        await client.Send("""{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}}""");
        await client.Send("""{"type":"response.create","response":{"max_output_tokens":3,"output_modalities":["text"],"metadata":{"who":"me"}}}""");
        JsonNode response = (await client.Next("response.done"))["response"]!;
        Assert.Equal(("incomplete", "me"), ((string?)response["status"], (string?)response["metadata"]!["who"]));
    }

    /// <summary>Waits until the server has let go of every session and every slot.</summary>
    private static async Task EmptyAsync(ServerFixture server)
    {
        RealtimeSessions sessions = server.Services.GetRequiredService<RealtimeSessions>();
        for (int i = 0; i < 1200 && (sessions.Count > 0 || server.Engine.Load != new EngineLoad(0, 0)); i++)
            await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Equal((0, new EngineLoad(0, 0)), (sessions.Count, server.Engine.Load));
    }

    private static string Noise(Random random) => string.Create(random.Next(1, 40), random, (text, chance) =>
    {
        for (int i = 0; i < text.Length; i++)
            text[i] = (char)chance.Next(0x21, 0x5B); // neither a quote mark nor a backslash
        text.Replace('"', 'q');
    });

    /// <summary>Events and the code of the answer; every one is wrong in a way of its own.</summary>
    private static readonly (string Json, string Code)[] Malformed =
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("""{"type":"response.create","event_id":"<id>" """, "invalid_json"),
        ("""{"type":"<text>","type":"<text>"}""", "invalid_json"),
        ("""{"type":"response.create","event_id":"\ud800"}""", "invalid_json"),
        (string.Concat(Enumerable.Repeat("[", 500)) + string.Concat(Enumerable.Repeat("]", 500)), "invalid_json"),
        ("[]", "invalid_event"),
        ("null", "invalid_event"),
        ("12", "invalid_event"),
        ("""{"event_id":"<id>"}""", "invalid_event"),
        ("""{"type":{},"event_id":"<id>"}""", "invalid_type"),
        ("""{"type":"<text>","event_id":"<id>"}""", "invalid_value"),
        ("""{"type":"session.update","event_id":"<id>"}""", "missing_required_parameter"),
        ("""{"type":"session.update","event_id":"<id>","session":[]}""", "invalid_type"),
        ("""{"type":"session.update","event_id":"<id>","session":{"type":"realtime","audio":{"output":{"voice":"<text>"}}}}""", "invalid_value"),
        ("""{"type":"session.update","event_id":"<id>","session":{"type":"realtime","audio":{"output":{"speed":1e308}}}}""", "invalid_value"),
        ("""{"type":"session.update","event_id":"<id>","session":{"type":"realtime","audio":{"input":{"turn_detection":{"silence_duration_ms":-1}}}}}""", "invalid_value"),
        ("""{"type":"session.update","event_id":"<id>","session":{"type":"realtime","tools":[{"type":"function","name":7}]}}""", "invalid_type"),
        ("""{"type":"session.update","event_id":"<id>","session":{"type":"realtime","truncation":{"type":"retention_ratio","retention_ratio":2}}}""", "invalid_value"),
        ("""{"type":"input_audio_buffer.append","event_id":"<id>"}""", "missing_required_parameter"),
        ("""{"type":"input_audio_buffer.append","event_id":"<id>","audio":[]}""", "invalid_type"),
        ("""{"type":"input_audio_buffer.append","event_id":"<id>","audio":"<text>*"}""", "invalid_value"),
        ("""{"type":"input_audio_buffer.append","event_id":"<id>","audio":"AAAA"}""", "invalid_value"),
        ("""{"type":"input_audio_buffer.commit","event_id":"<id>"}""", "input_audio_buffer_commit_empty"),
        ("""{"type":"conversation.item.create","event_id":"<id>"}""", "missing_required_parameter"),
        ("""{"type":"conversation.item.create","event_id":"<id>","item":{"type":"message","role":"<text>","content":[]}}""", "invalid_value"),
        ("""{"type":"conversation.item.create","event_id":"<id>","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,<text>*"}]}}""", "invalid_value"),
        ("""{"type":"conversation.item.create","event_id":"<id>","item":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"http://169.254.169.254/<text>"}]}}""", "invalid_value"),
        ("""{"type":"conversation.item.create","event_id":"<id>","previous_item_id":"<text>","item":{"type":"message","role":"user","content":[]}}""", "item_create_invalid_previous_item_id"),
        ("""{"type":"conversation.item.retrieve","event_id":"<id>","item_id":"<text>"}""", "item_retrieve_invalid_item_id"),
        ("""{"type":"conversation.item.delete","event_id":"<id>","item_id":"<text>"}""", "item_delete_invalid_item_id"),
        ("""{"type":"conversation.item.truncate","event_id":"<id>","item_id":"<text>","content_index":0,"audio_end_ms":0}""", "item_truncate_invalid_item_id"),
        ("""{"type":"conversation.item.truncate","event_id":"<id>","item_id":"x","content_index":0.5,"audio_end_ms":0}""", "invalid_value"),
        ("""{"type":"response.create","event_id":"<id>","response":{"input":[{"type":"item_reference","id":"<text>"}]}}""", "invalid_value"),
        ("""{"type":"response.create","event_id":"<id>","response":{"output_modalities":["text","audio"]}}""", "invalid_value"),
        ("""{"type":"response.create","event_id":"<id>"}""", "invalid_value"),
        ("""{"type":"response.cancel","event_id":"<id>","response_id":"<text>"}""", "response_cancel_not_active"),
        ("""{"type":"response.cancel","event_id":"<id>"}""", "response_cancel_not_active"),
        ("""{"type":"output_audio_buffer.clear","event_id":"<id>"}""", "invalid_value"),
    ];

    /// <summary>A clock that stands still: what is used up does not come back.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }

    /// <summary>The clock of the machine, but timers that are due later than in a given time ring when the test says so.</summary>
    private sealed class EarlyClock : TimeProvider
    {
        private readonly List<(TimeSpan Due, TimerCallback Callback, object? State)> _timers = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            lock (_timers)
                _timers.Add((dueTime, callback, state));
            return base.CreateTimer(callback, state, dueTime, period);
        }

        public void Ring(TimeSpan from)
        {
            lock (_timers)
            {
                (TimeSpan Due, TimerCallback Callback, object? State)[] due = [.. _timers.Where(timer => timer.Due >= from && timer.Due < TimeSpan.FromDays(1))];
                Assert.NotEmpty(due);
                foreach ((_, TimerCallback callback, object? state) in due)
                    callback(state);
            }
        }
    }
}
