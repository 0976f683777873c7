using Emova.Server;
using Emova.Server.Engine;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Emova.Extensions.AI;

/// <summary>
/// Live conversations with a model in this process: the session of the server's Realtime protocol without a socket, so that turns are
/// detected, interrupted and cut in the same way.
/// </summary>
public sealed class EmovaRealtimeClient : IRealtimeClient
{
    private readonly IInferenceEngine _engine;
    private readonly ServerOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    /// <summary>A client of an engine; several clients may share one.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="options">Settings and limits of sessions; null for the defaults.</param>
    /// <param name="clock">Tells when a session expires; null for the system's.</param>
    /// <param name="loggers">Take failures of the engine; null for none.</param>
    public EmovaRealtimeClient(IInferenceEngine engine, ServerOptions? options = null, TimeProvider? clock = null, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        (_engine, _options, _clock) = (engine, options ?? new ServerOptions(), clock ?? TimeProvider.System);
        _logger = (loggers ?? Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance).CreateLogger<EmovaRealtimeClient>();
    }

    /// <inheritdoc/>
    public async Task<IRealtimeClientSession> CreateSessionAsync(RealtimeSessionOptions? options = null, CancellationToken cancellationToken = default)
    {
        EmovaRealtimeSession session = new(_engine, _options, _clock, _logger);
        if (options is not null)
            await session.SendAsync(new SessionUpdateRealtimeClientMessage(options), cancellationToken).ConfigureAwait(false);
        return session;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null : serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(_engine) ? _engine : null;
    }

    /// <summary>Nothing: the engine belongs to whoever made it.</summary>
    public void Dispose()
    {
    }
}
