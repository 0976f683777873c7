using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;
using System.Threading.Channels;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Realtime;

/// <summary>
/// One WebSocket with its session. Frames of the client and events of the engine meet in one bounded inbox, which one loop works off;
/// another loop sends. A client that reads slowly first stops its own answers from being made, and is disconnected in the end.
/// </summary>
internal sealed class RealtimeConnection : IRealtimeModel, IDisposable
{
    // An append of 15 MiB of base64 with what is around it.
    private const int LargestMessage = 16 << 20;

    private const int InboxLength = 64;

    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly WebSocket _socket;
    private readonly IInferenceEngine _engine;
    private readonly RealtimeOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly RealtimeSession _session;
    private readonly Channel<Input> _inbox = Channel.CreateBounded<Input>(new BoundedChannelOptions(InboxLength) { SingleReader = true });
    private readonly Channel<byte[]> _outbox = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly Dictionary<string, CancellationTokenSource> _jobs = new(StringComparer.Ordinal);
    private readonly List<Task> _running = [];
    private readonly SemaphoreSlim _sent = new(0);
    private readonly DateTimeOffset _expires;
    private CancellationToken _stop;
    private long _queuedBytes;

    public RealtimeConnection(WebSocket socket, IInferenceEngine engine, ServerOptions options, bool beta, TimeProvider clock, ILogger logger)
    {
        (_socket, _engine, _options, _clock, _logger) = (socket, engine, options.Realtime, clock, logger);
        _expires = clock.GetUtcNow() + TimeSpan.FromMinutes(_options.SessionMinutes);
        _session = new RealtimeSession(this, engine.Info, new RealtimeSessionOptions
        {
            ModelName = engine.Info.ModelName, Voice = _options.Voice, ExpiresAt = _expires.ToUnixTimeSeconds(), Beta = beta,
            Limits = new RealtimeLimits { Turn = TimeSpan.FromSeconds(options.Limits.MaxAudioSeconds), ImagePixels = options.Limits.MaxImagePixels },
        }, Write);
    }

    /// <summary>Serves the client until it leaves, the session expires, or the server stops.</summary>
    public async Task RunAsync(CancellationToken aborted, CancellationToken stopping)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        _stop = stop.Token;
        Task sending = SendAsync(stop);
        Task reading = ReadAsync(stop);
        Close close = Close.Left;
        try
        {
            _session.Begin();
            close = await WorkAsync(stopping).ConfigureAwait(false);
            _outbox.Writer.Complete();
            await sending.ConfigureAwait(false);
            await CloseAsync(close).ConfigureAwait(false);
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
            foreach (CancellationTokenSource job in _jobs.Values)
                await job.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll([.. _running, sending, reading]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (CancellationTokenSource job in _jobs.Values)
                job.Dispose();
        }
    }

    public void Dispose() => _sent.Dispose();

    void IRealtimeModel.Start(string job, EngineRequest request)
    {
        CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(_stop);
        _jobs.Add(job, stop);
        _running.RemoveAll(task => task.IsCompleted);
        _running.Add(RunJobAsync(job, request, stop.Token));
    }

    void IRealtimeModel.Stop(string job)
    {
        if (!_jobs.Remove(job, out CancellationTokenSource? stop))
            return;
        stop.Cancel();
        stop.Dispose();
    }

    VoiceOptions? IRealtimeModel.FindVoice(string name) => VoiceNames.Find(name);

    private async Task<Close> WorkAsync(CancellationToken stopping)
    {
        using CancellationTokenSource wake = CancellationTokenSource.CreateLinkedTokenSource(_stop, stopping);
        using ITimer timer = _clock.CreateTimer(_ => _inbox.Writer.TryWrite(new Input.Expired()), null, _expires - _clock.GetUtcNow(), TimeSpan.FromSeconds(1));
        while (true)
        {
            Input input;
            try
            {
                input = await _inbox.Reader.ReadAsync(stopping.IsCancellationRequested ? _stop : wake.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested && !_stop.IsCancellationRequested)
            {
                // Running answers are finished; nothing new is begun afterwards.
                if (!_session.IsBusy)
                    return Close.Stopping;
                continue;
            }

            switch (input)
            {
                case Input.Frame frame:
                    _session.Receive(frame.Utf8);
                    break;
                case Input.TooLarge:
                    _session.Complain("invalid_event", $"An event may have at most {LargestMessage} bytes.");
                    return Close.TooLarge;
                case Input.NotText:
                    _session.Complain("invalid_event", "Events are text frames.");
                    break;
                case Input.Engine engine:
                    _session.Tell(engine.Job, engine.Event);
                    break;
                case Input.JobEnded ended:
                    if (_jobs.Remove(ended.Job, out CancellationTokenSource? stop))
                    {
                        stop.Dispose();
                        _session.End(ended.Job, ended.Failure);
                    }

                    break;
                case Input.Expired:
                    _session.Complain("session_expired", $"Your session hit the maximum duration of {_options.SessionMinutes} minutes.");
                    return Close.Expired;
                case Input.Left:
                    return Close.Left;
            }

            if (stopping.IsCancellationRequested && !_session.IsBusy)
                return Close.Stopping;
            await WaitForReaderAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Holds everything back while too much waits for the client; the engine's events wait in their own queue meanwhile.</summary>
    private async Task WaitForReaderAsync()
    {
        while (Interlocked.Read(ref _queuedBytes) > _options.MaxQueuedBytes)
        {
            if (!await _sent.WaitAsync(TimeSpan.FromSeconds(_options.StallSeconds), _stop).ConfigureAwait(false))
            {
                ServerLog.ClientStalled(_logger, _options.StallSeconds);
                throw new IOException("the client reads nothing");
            }
        }
    }

    private async Task RunJobAsync(string job, EngineRequest request, CancellationToken stop)
    {
        Exception? failure = null;
        try
        {
            // Not on the session's loop: whatever the engine does before its first wait is not the other events' business.
            await Task.Yield();
            await foreach (EngineEvent happening in _engine.RunAsync(request, stop).ConfigureAwait(false))
                await _inbox.Writer.WriteAsync(new Input.Engine(job, happening), stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        catch (Exception error)
        {
            failure = error;
            if (error is not (EmovaException or EngineBusyException))
                ServerLog.ReplyFailed(_logger, error);
        }

        try
        {
            await _inbox.Writer.WriteAsync(new Input.JobEnded(job, failure), stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Stopped in the meantime: nobody waits for it.
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
                    part = await _socket.ReceiveAsync(buffer.AsMemory(), _stop).ConfigureAwait(false);
                    if (part.MessageType == WebSocketMessageType.Close)
                    {
                        await _inbox.Writer.WriteAsync(new Input.Left(), _stop).ConfigureAwait(false);
                        return;
                    }

                    if (message.Length + part.Count > LargestMessage)
                    {
                        await _inbox.Writer.WriteAsync(new Input.TooLarge(), _stop).ConfigureAwait(false);
                        return;
                    }

                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);

                Input input = part.MessageType == WebSocketMessageType.Text ? new Input.Frame(message.ToArray()) : new Input.NotText();
                await _inbox.Writer.WriteAsync(input, _stop).ConfigureAwait(false);
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

    private void Write(System.Text.Json.Nodes.JsonObject? translated, ServerEvent happening)
    {
        byte[] message = translated is not null
            ? System.Text.Encoding.UTF8.GetBytes(translated.ToJsonString())
            : JsonSerializer.SerializeToUtf8Bytes(happening, RealtimeJson.Default.ServerEvent);
        Interlocked.Add(ref _queuedBytes, message.Length);
        _outbox.Writer.TryWrite(message);
    }

    private async Task CloseAsync(Close close)
    {
        using CancellationTokenSource timeout = new(CloseTimeout);
        (WebSocketCloseStatus status, string reason) = close switch
        {
            Close.TooLarge => (WebSocketCloseStatus.MessageTooBig, "event too large"),
            Close.Expired => (WebSocketCloseStatus.NormalClosure, "session expired"),
            Close.Stopping => (WebSocketCloseStatus.EndpointUnavailable, "server is stopping"),
            _ => (WebSocketCloseStatus.NormalClosure, ""),
        };
        if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            await _socket.CloseOutputAsync(status, reason, timeout.Token).ConfigureAwait(false);
    }

    private enum Close
    {
        Left,
        TooLarge,
        Expired,
        Stopping,
    }

    /// <summary>What the session's loop works on.</summary>
    private abstract record Input
    {
        public sealed record Frame(byte[] Utf8) : Input;

        public sealed record TooLarge : Input;

        public sealed record NotText : Input;

        public sealed record Engine(string Job, EngineEvent Event) : Input;

        public sealed record JobEnded(string Job, Exception? Failure) : Input;

        public sealed record Expired : Input;

        public sealed record Left : Input;
    }
}
