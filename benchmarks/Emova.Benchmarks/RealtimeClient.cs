using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Emova.Media;

namespace Emova.Benchmarks;

/// <summary>A client of <c>/v1/realtime</c> in plain JSON.</summary>
internal sealed class RealtimeClient : IDisposable
{
    /// <summary>Samples per second of what is said and heard.</summary>
    public const int Rate = 24_000;

    private readonly ClientWebSocket _socket = new();
    private readonly byte[] _buffer = new byte[1 << 14];

    public static async Task<RealtimeClient> ConnectAsync(Uri address, CancellationToken stop = default)
    {
        RealtimeClient client = new();
        try
        {
            await client._socket.ConnectAsync(address, stop);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    public Task SendAsync(string json, CancellationToken stop = default) => _socket.SendAsync(Encoding.UTF8.GetBytes(json), WebSocketMessageType.Text, true, stop);

    /// <summary>Sends a piece of sound.</summary>
    public Task AppendAsync(ReadOnlySpan<float> samples, CancellationToken stop = default) =>
        SendAsync($$"""{"type":"input_audio_buffer.append","audio":"{{Convert.ToBase64String(Pcm16.ToBytes(samples))}}"}""", stop);

    /// <exception cref="InvalidOperationException">The server closed the session.</exception>
    public async Task<JsonObject> ReceiveAsync(CancellationToken stop = default)
    {
        using MemoryStream message = new();
        WebSocketReceiveResult part;
        do
        {
            part = await _socket.ReceiveAsync(_buffer, stop);
            if (part.MessageType == WebSocketMessageType.Close)
                throw new InvalidOperationException($"the server closed the session: {part.CloseStatusDescription}");
            message.Write(_buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(message.ToArray())!.AsObject();
    }

    public Task CloseAsync(CancellationToken stop = default) => _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, stop);

    /// <summary>Breaks the connection without a word.</summary>
    public void Abort() => _socket.Abort();

    public void Dispose() => _socket.Dispose();

    /// <summary>A recording at <see cref="Rate"/> without the silence at its ends.</summary>
    public static float[] ReadQuestion(string path)
    {
        AudioClip clip = WavFile.Read(path);
        float[] samples = clip.SampleRate == Rate ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, Rate);
        float limit = samples.Max(MathF.Abs) * 0.03f;
        int from = Array.FindIndex(samples, sample => MathF.Abs(sample) > limit), to = Array.FindLastIndex(samples, sample => MathF.Abs(sample) > limit);
        return samples[from..(to + 1)];
    }
}
