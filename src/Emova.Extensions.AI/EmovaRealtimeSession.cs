using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Emova.Server;
using Emova.Server.Engine;
using Emova.Server.Realtime;
using Emova.Server.Realtime.Wire;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using RealtimeSessionOptions = Microsoft.Extensions.AI.RealtimeSessionOptions;

namespace Emova.Extensions.AI;

/// <summary>One live conversation. What the interface has no message for goes as raw JSON of the Realtime protocol, in both directions.</summary>
internal sealed class EmovaRealtimeSession : IRealtimeClientSession
{
    private readonly IInferenceEngine _engine;
    private readonly RealtimeWorker _worker;
    private readonly Channel<RealtimeServerMessage> _answers = Channel.CreateUnbounded<RealtimeServerMessage>(new UnboundedChannelOptions { SingleWriter = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public EmovaRealtimeSession(IInferenceEngine engine, ServerOptions options, TimeProvider clock, ILogger logger)
    {
        _engine = engine;
        _worker = new RealtimeWorker(engine, options, grammars: null, beta: false, clock, logger, caller: null, (_, happening) => Report(happening));
        _running = Task.Run(RunAsync);
    }

    /// <inheritdoc/>
    public RealtimeSessionOptions? Options { get; private set; }

    /// <inheritdoc/>
    public async Task SendAsync(RealtimeClientMessage message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, this);
        JsonObject json = RealtimeMessages.ToProtocol(message);
        if (message is SessionUpdateRealtimeClientMessage update)
            Options = update.Options;
        await _worker.ReceiveAsync(Encoding.UTF8.GetBytes(json.ToJsonString()), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<RealtimeServerMessage> GetStreamingResponseAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (RealtimeServerMessage message in _answers.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            yield return message;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null : serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(_engine) ? _engine : null;
    }

    /// <summary>Ends the conversation and stops what it makes.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task RunAsync()
    {
        try
        {
            await _worker.RunAsync(() => Task.CompletedTask, _stop.Token, CancellationToken.None).ConfigureAwait(false);
            _answers.Writer.Complete();
        }
        catch (OperationCanceledException)
        {
            _answers.Writer.Complete();
        }
        catch (Exception defect)
        {
            _answers.Writer.Complete(defect);
        }
        finally
        {
            _stop.Dispose();
        }
    }

    private void Report(ServerEvent happening) => _answers.Writer.TryWrite(RealtimeMessages.FromProtocol(happening));
}
