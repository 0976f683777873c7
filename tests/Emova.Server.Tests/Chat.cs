using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Media;
using Emova.Tests.Models;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>Builds requests and reads answers of the HTTP protocol.</summary>
internal static class Chat
{
    public const string Path = "/v1/chat/completions";

    /// <summary>A 24-bit BMP file.</summary>
    public static byte[] Bitmap(int width = 30, int height = 20)
    {
        int stride = (3 * width + 3) / 4 * 4;
        byte[] file = new byte[54 + stride * height];
        using BinaryWriter writer = new(new MemoryStream(file));
        writer.Write("BM"u8);
        foreach (int value in (int[])[file.Length, 0, 54, 40, width, height])
            writer.Write(value);
        writer.Write((short)1);
        writer.Write((short)24);
        return file;
    }

    public static byte[] Wav(double seconds = 1)
    {
        using MemoryStream file = new();
        using (WavWriter writer = new(file, 16000, leaveOpen: true))
            writer.Write(RandomModelFolder.Tone(16000, seconds).Samples);
        return file.ToArray();
    }

    public static JsonObject Text(string text) => new() { ["type"] = "text", ["text"] = text };

    public static JsonObject Picture(byte[]? file = null) =>
        new() { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = "data:image/bmp;base64," + Convert.ToBase64String(file ?? Bitmap()) } };

    public static JsonObject Audio(byte[]? file = null, string format = "wav") =>
        new() { ["type"] = "input_audio", ["input_audio"] = new JsonObject { ["data"] = Convert.ToBase64String(file ?? Wav()), ["format"] = format } };

    public static JsonObject User(params JsonNode[] parts) => new() { ["role"] = "user", ["content"] = new JsonArray([.. parts]) };

    public static JsonObject Request(JsonNode content, string? more = null)
    {
        JsonObject request = new() { ["model"] = "emova-test", ["max_completion_tokens"] = 12, ["messages"] = new JsonArray(content) };
        foreach ((string key, JsonNode? value) in JsonNode.Parse(more ?? "{}")!.AsObject())
            request[key] = value?.DeepClone();
        return request;
    }

    public static JsonObject Typed(string? more = null) => Request(new JsonObject { ["role"] = "user", ["content"] = "what is the cat" }, more);

    public static async Task<HttpResponseMessage> PostAsync(this HttpClient client, JsonNode body, string path = Path)
    {
        using StringContent content = new(body.ToJsonString(), new MediaTypeHeaderValue("application/json"));
        return await client.PostAsync(new Uri(path, UriKind.Relative), content);
    }

    public static async Task<JsonElement> OkAsync(this HttpClient client, JsonNode body, string path = Path)
    {
        using HttpResponseMessage response = await client.PostAsync(body, path);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>The error object of an answer with an error status.</summary>
    public static async Task<JsonElement> ErrorAsync(HttpResponseMessage response, HttpStatusCode status)
    {
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == status, $"{response.StatusCode} {text}");
        JsonElement error = JsonDocument.Parse(text).RootElement.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(field => field.Name));
        return error;
    }

    public static async Task<JsonElement> RefusedAsync(this HttpClient client, JsonNode body, HttpStatusCode status = HttpStatusCode.BadRequest, string path = Path)
    {
        using HttpResponseMessage response = await client.PostAsync(body, path);
        return await ErrorAsync(response, status);
    }

    /// <summary>The data of an event stream, which must be framed exactly as the protocol says.</summary>
    public static async Task<List<string>> EventsAsync(this HttpClient client, JsonNode body, string path = Path)
    {
        using HttpResponseMessage response = await client.PostAsync(body, path);
        string text = Encoding.UTF8.GetString(await response.Content.ReadAsByteArrayAsync());
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("no-cache", response.Headers.CacheControl!.ToString());
        Assert.EndsWith("\n\n", text, StringComparison.Ordinal);
        return [.. text.Split("\n\n").SkipLast(1).Select(frame =>
        {
            Assert.StartsWith("data: ", frame, StringComparison.Ordinal);
            return frame["data: ".Length..];
        })];
    }
}
