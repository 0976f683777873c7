using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using Emova.Server.Security;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Realtime;

/// <summary>
/// A session on a WebSocket: one loop reads, one works, one sends. A client that reads slowly first stops its own answers from being
/// made, and is disconnected in the end.
/// </summary>
internal sealed class RealtimeConnection : IDisposable
{
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly WebSocket _socket;
    private readonly RealtimeOptions _options;
    private readonly ILogger _logger;
    private readonly RealtimeWorker _worker;
    private readonly Channel<byte[]> _outbox = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly SemaphoreSlim _sent = new(0);
    private long _queuedBytes;

    public RealtimeConnection(WebSocket socket, IInferenceEngine engine, ServerOptions options, GrammarCache grammars, bool beta, TimeProvider clock, ILogger logger, Caller caller)
    {
        (_socket, _options, _logger) = (socket, options.Realtime, logger);
        _worker = new RealtimeWorker(engine, options, grammars, beta, clock, logger, caller, Write);
    }

    /// <summary>Serves the client until it leaves, the session expires, or the server stops.</summary>
    public async Task RunAsync(CancellationToken aborted, CancellationToken stopping)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        Task sending = SendAsync(stop);
        Task reading = ReadAsync(stop);
        try
        {
            SessionEnd end = await _worker.RunAsync(() => WaitForReaderAsync(stop.Token), stop.Token, stopping).ConfigureAwait(false);
            _outbox.Writer.Complete();
            await sending.ConfigureAwait(false);
            await CloseAsync(end).ConfigureAwait(false);
            // Giving up reading breaks the connection, and with it a farewell that is still on its way: the client's own comes first.
            await reading.WaitAsync(CloseTimeout, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception gone) when (gone is OperationCanceledException or WebSocketException or IOException)
        {
            // The client is away, or reads nothing: nobody is left to tell.
            _socket.Abort();
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            _outbox.Writer.TryComplete();
            await Task.WhenAll(sending, reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _sent.Dispose();

    /// <summary>Holds everything back while too much waits for the client; the engine's events wait in their own queue meanwhile.</summary>
    private async Task WaitForReaderAsync(CancellationToken stop)
    {
        while (Interlocked.Read(ref _queuedBytes) > _options.MaxQueuedBytes)
        {
            if (!await _sent.WaitAsync(TimeSpan.FromSeconds(_options.StallSeconds), stop).ConfigureAwait(false))
            {
                ServerLog.ClientStalled(_logger, _options.StallSeconds);
                throw new IOException("the client reads nothing");
            }
        }
    }

    private async Task ReadAsync(CancellationTokenSource stop)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            while (true)
            {
                using MemoryStream message = new();
                ValueWebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer.AsMemory(), stop.Token).ConfigureAwait(false);
                    bool tooLarge = message.Length + part.Count > RealtimeWorker.LargestEvent;
                    if (part.MessageType == WebSocketMessageType.Close || tooLarge)
                    {
                        await _worker.EndAsync(tooLarge ? SessionEnd.TooLarge : SessionEnd.Left, stop.Token).ConfigureAwait(false);
                        return;
                    }

                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);

                if (part.MessageType == WebSocketMessageType.Text)
                    await _worker.ReceiveAsync(message.ToArray(), stop.Token).ConfigureAwait(false);
                else
                    await _worker.ReceiveOtherAsync(stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception gone) when (gone is WebSocketException or IOException)
        {
            // A connection that breaks instead of closing.
            await stop.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task SendAsync(CancellationTokenSource stop)
    {
        try
        {
            await foreach (byte[] message in _outbox.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
            {
                await _socket.SendAsync(message.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, stop.Token).ConfigureAwait(false);
                Interlocked.Add(ref _queuedBytes, -message.Length);
                if (_sent.CurrentCount == 0)
                    _sent.Release();
            }
        }
        catch (Exception gone) when (gone is WebSocketException or IOException)
        {
            await stop.CancelAsync().ConfigureAwait(false);
        }
    }

    private void Write(JsonObject? translated, ServerEvent happening)
    {
        byte[] message = translated is not null
            ? Encoding.UTF8.GetBytes(translated.ToJsonString()) : JsonSerializer.SerializeToUtf8Bytes(happening, RealtimeJson.Default.ServerEvent);
        Interlocked.Add(ref _queuedBytes, message.Length);
        _outbox.Writer.TryWrite(message);
    }

    private async Task CloseAsync(SessionEnd end)
    {
        using CancellationTokenSource timeout = new(CloseTimeout);
        (WebSocketCloseStatus status, string reason) = end switch
        {
            SessionEnd.TooLarge => (WebSocketCloseStatus.MessageTooBig, "event too large"),
            SessionEnd.Expired => (WebSocketCloseStatus.NormalClosure, "session expired"),
            SessionEnd.Stopping => (WebSocketCloseStatus.EndpointUnavailable, "server is stopping"),
            _ => (WebSocketCloseStatus.NormalClosure, ""),
        };
        if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            await _socket.CloseOutputAsync(status, reason, timeout.Token).ConfigureAwait(false);
    }
}
