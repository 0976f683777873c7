using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Emova.Server.Tests.Realtime;

/// <summary>A client of a running server that speaks the protocol in plain JSON.</summary>
internal sealed class LiveClient : IAsyncDisposable
{
    // A loaded machine and an unoptimized build: patience is not what is tested.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private LiveClient(ClientWebSocket socket) => Socket = socket;

    public ClientWebSocket Socket { get; }

    public static async Task<LiveClient> ConnectAsync(ServerFixture server, Action<ClientWebSocketOptions>? configure = null, string query = "?model=emova-test")
    {
        ClientWebSocket socket = new();
        configure?.Invoke(socket.Options);
        using CancellationTokenSource stop = new(Patience);
        await socket.ConnectAsync(new UriBuilder(server.Client.BaseAddress!) { Scheme = "ws", Path = "/v1/realtime", Query = query }.Uri, stop.Token);
        return new LiveClient(socket);
    }

    public Task Send(string json) => Socket.SendAsync(Encoding.UTF8.GetBytes(json), WebSocketMessageType.Text, true, TestContext.Current.CancellationToken);

    /// <summary>The next event, or null when the server closes.</summary>
    public async Task<JsonObject?> TryNext()
    {
        using CancellationTokenSource stop = new(Patience);
        using MemoryStream message = new();
        byte[] buffer = new byte[1 << 14];
        WebSocketReceiveResult part;
        do
        {
            part = await Socket.ReceiveAsync(buffer, stop.Token);
            if (part.MessageType == WebSocketMessageType.Close)
                return null;
            message.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(message.ToArray())!.AsObject();
    }

    public async Task<JsonObject> Next() => await TryNext() ?? throw new EndOfStreamException("the server closed the session");

    /// <summary>The next event of a type; others are passed over, errors are not.</summary>
    public async Task<JsonObject> Next(string type) => (await Until(type))[^1];

    /// <summary>All events up to the next of a type.</summary>
    public async Task<List<JsonObject>> Until(string type)
    {
        List<JsonObject> events = [];
        while (true)
        {
            JsonObject happening = await Next();
            events.Add(happening);
            if (SessionHarness.Type(happening) == type)
                return events;
            Assert.True(SessionHarness.Type(happening) != "error", happening.ToJsonString());
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Socket.State == WebSocketState.Open)
        {
            using CancellationTokenSource stop = new(Patience);
            await Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, stop.Token);
        }

        Socket.Dispose();
    }
}
