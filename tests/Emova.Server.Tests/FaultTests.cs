using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Emova.Server.Engine;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>Broken, huge and hostile requests, and clients that vanish or do not read: the right code, and the others are served on.</summary>
public sealed class FaultTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("{\"model\": \"emova-test\", \"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}")]
    [InlineData("{\"model\": 3}")]
    [InlineData("{\"messages\": {}}")]
    public async Task Malformed_bodies_are_400(string body)
    {
        using StringContent content = new(body, MediaTypeHeaderValue.Parse("application/json"));
        using HttpResponseMessage response = await server.Client.PostAsync(new Uri(Chat.Path, UriKind.Relative), content);
        await Chat.ErrorAsync(response, HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Deep_nesting_and_wrong_types_are_refused()
    {
        string deep = string.Concat(Enumerable.Repeat("[", 10_000)) + string.Concat(Enumerable.Repeat("]", 10_000));
        using StringContent content = new($"{{\"model\": {deep}}}", MediaTypeHeaderValue.Parse("application/json"));
        using HttpResponseMessage response = await server.Client.PostAsync(new Uri(Chat.Path, UriKind.Relative), content);
        await Chat.ErrorAsync(response, HttpStatusCode.BadRequest);
        using StringContent plain = new("{}", MediaTypeHeaderValue.Parse("text/plain"));
        using HttpResponseMessage wrong = await server.Client.PostAsync(new Uri(Chat.Path, UriKind.Relative), plain);
        await Chat.ErrorAsync(wrong, HttpStatusCode.UnsupportedMediaType);
    }

    [Theory]
    [InlineData("/v1/chat/completions", "application/json")]
    [InlineData("/v1/audio/speech", "application/json")]
    [InlineData("/v1/audio/transcriptions", "multipart/form-data; boundary=b")]
    public async Task A_hundred_megabytes_are_refused_by_their_announcement(string path, string type)
    {
        using TcpClient client = await ConnectAsync();
        await SendAsync(client, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {type}\r\nContent-Length: 104857600\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413 ", await ReadAsync(client), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bodies_without_an_announced_length_are_cut_off_at_the_limit()
    {
        await using ServerFixture small = new(new() { ["Limits:MaxBodyBytes"] = "65536" });
        using HttpRequestMessage request = new(HttpMethod.Post, Chat.Path) { Content = new StringContent("\"" + new string('a', 200_000) + "\"", MediaTypeHeaderValue.Parse("application/json")) };
        request.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage response = await small.Client.SendAsync(request);
        await Chat.ErrorAsync(response, HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task A_hundred_megabytes_in_pieces_are_not_read_to_their_end()
    {
        await using ServerFixture small = new(new() { ["Limits:MaxBodyBytes"] = "1048576" });
        using TcpClient client = await ConnectAsync(small.Client.BaseAddress!);
        Task<string> answer = ReadAsync(client);
        await SendAsync(client, $"POST {Chat.Path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        byte[] chunk = [.. "100000\r\n"u8, .. Enumerable.Repeat((byte)' ', 1 << 20), .. "\r\n"u8];
        int sent = 0;
        try
        {
            for (; sent < 100 && !answer.IsCompleted; sent++)
                await client.GetStream().WriteAsync(chunk);
        }
        catch (IOException)
        {
            // Hung up on.
        }

        Assert.StartsWith("HTTP/1.1 413 ", await answer, StringComparison.Ordinal);
        Assert.InRange(sent, 1, 99);
        await small.Client.OkAsync(Chat.Typed());
    }

    [Theory]
    [InlineData("data:image/png;base64,@@@@", null, "messages[0].content[1].image_url.url")]
    [InlineData("data:image/png;base64,iVBORw0KGg", null, "messages[0].content[1].image_url.url")]
    [InlineData("data:image/png,plain", null, "messages[0].content[1].image_url.url")]
    [InlineData(null, "UklGR-_", "messages[0].content[1].input_audio.data")]
    [InlineData(null, "data:audio/wav;base64,????", "messages[0].content[1].input_audio.data")]
    public async Task Wrong_base64_is_named(string? picture, string? sound, string param)
    {
        JsonObject part = picture is not null ? Chat.Picture() : Chat.Audio();
        if (picture is not null)
            part["image_url"]!["url"] = picture;
        else
            part["input_audio"]!["data"] = sound;
        Assert.Equal(param, (await server.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Text("a"), part)))).GetProperty("param").GetString());
    }

    [Fact]
    public async Task Pictures_that_would_unfold_to_gigabytes_are_refused()
    {
        long before = GC.GetTotalAllocatedBytes();
        foreach (byte[] bomb in (byte[][])[Bitmap(60_000, 60_000), Pictures.Png(60_000, 60_000), Pictures.Png(int.MaxValue, int.MaxValue), Pictures.Png(16_000, 1000, Pictures.Bomb), Pictures.JpegHeader(65_500, 65_500)])
        {
            string? param = (await server.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Text("a"), Chat.Picture(bomb))))).GetProperty("param").GetString();
            Assert.Equal("messages[0].content[1].image_url.url", param);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 200_000_000);
    }

    [Fact]
    public async Task Recordings_that_are_too_long_or_lie_about_their_length_are_refused()
    {
        await using ServerFixture small = new(new() { ["Limits:MaxAudioSeconds"] = "1" });
        await small.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Audio(Chat.Wav(1.2)))));
        byte[] lying = Chat.Wav();
        BinaryPrimitives.WriteUInt32LittleEndian(lying.AsSpan(54), uint.MaxValue / 2);
        using HttpResponseMessage response = await small.Client.PostAsync(Chat.Request(Chat.User(Chat.Audio(lying))));
        Assert.NotEqual(HttpStatusCode.InternalServerError, response.StatusCode);
        await small.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Audio(new byte[3], "pcm16"))));
        await small.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Audio(new byte[2 * 24000 + 2], "pcm16"))));
        await small.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Audio(new byte[2], "pcm16"))));
    }

    [Fact]
    public async Task Clients_that_vanish_or_do_not_read_do_not_disturb_the_others()
    {
        await using ServerFixture busy = new(new() { ["Engine:Slots"] = "3", ["Engine:MaxTextBytes"] = "500" });
        Uri address = busy.Client.BaseAddress!;
        List<TcpClient> silent = [];
        for (int i = 0; i < 6; i++)
        {
            // They ask, and then either hang up at once, or keep the connection open without ever reading.
            TcpClient client = await ConnectAsync(address);
            byte[] body = Encoding.UTF8.GetBytes(Chat.Typed("""{"stream": true, "max_completion_tokens": 500, "modalities": ["text", "audio"], "audio": {"voice": "male", "format": "pcm16"}}""").ToJsonString());
            await SendAsync(client, $"POST {Chat.Path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n");
            await client.GetStream().WriteAsync(body);
            if (i % 2 == 0)
                client.Dispose();
            else
                silent.Add(client);
        }

        // One that never finishes its request.
        using TcpClient half = await ConnectAsync(address);
        await SendAsync(half, $"POST {Chat.Path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{");
        for (int i = 0; i < 4; i++)
            await busy.Client.OkAsync(Chat.Typed());
        silent.ForEach(client => client.Dispose());
        for (int wait = 0; busy.Engine.Load != new EngineLoad(0, 0) && wait < 600; wait++)
            await Task.Delay(100);
        Assert.Equal(new EngineLoad(0, 0), busy.Engine.Load);
    }

    [Fact]
    public async Task Many_callers_at_once_get_their_own_answers()
    {
        // Every caller asks for a schema of its own: an answer that went to the wrong one would show.
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async i =>
        {
            JsonObject request = Chat.Typed($$"""{"max_completion_tokens": 60, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": "caller {{i}}"} } } }""");
            if (i % 4 == 3)
            {
                // Some give up at any moment.
                using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(20 * i));
                using StringContent body = new(request.ToJsonString(), MediaTypeHeaderValue.Parse("application/json"));
                await server.Client.PostAsync(new Uri(Chat.Path, UriKind.Relative), body, soon.Token).ContinueWith(_ => { }, TaskScheduler.Default);
                return;
            }

            Assert.Equal($"\"caller {i}\"", (await server.Client.OkAsync(request)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        }));
    }

    private static byte[] Bitmap(int width, int height)
    {
        byte[] file = Chat.Bitmap();
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), height);
        return file;
    }

    private Task<TcpClient> ConnectAsync() => ConnectAsync(server.Client.BaseAddress!);

    private static async Task<TcpClient> ConnectAsync(Uri address)
    {
        TcpClient client = new() { ReceiveTimeout = 60_000 };
        await client.ConnectAsync(address.Host, address.Port);
        return client;
    }

    private static async Task SendAsync(TcpClient client, string text) => await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(text));

    private static async Task<string> ReadAsync(TcpClient client)
    {
        byte[] buffer = new byte[4096];
        int read = await client.GetStream().ReadAsync(buffer);
        return Encoding.ASCII.GetString(buffer, 0, read);
    }
}
