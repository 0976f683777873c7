using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Operations;
using Emova.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Realtime;

/// <summary><c>GET /v1/realtime</c>: a WebSocket that speaks the Realtime protocol.</summary>
internal static class RealtimeEndpoints
{
    private const string Protocol = "realtime", BetaProtocol = "openai-beta.realtime-v1", BetaHeader = "realtime=v1";

    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/v1/realtime", (RequestDelegate)ConnectAsync);

    private static async Task ConnectAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
            throw new ApiException(StatusCodes.Status426UpgradeRequired, "invalid_request_error", "websocket_required", null, "/v1/realtime is a WebSocket: connect with an upgrade.");
        IServiceProvider services = context.RequestServices;
        IInferenceEngine engine = services.GetRequiredService<IInferenceEngine>();
        string wanted = context.Request.Query["model"].ToString();
        if (wanted.Length > 0 && wanted != engine.Info.ModelName)
            throw ApiException.UnknownModel(wanted, engine.Info.ModelName);

        ServerOptions options = services.GetRequiredService<ServerOptions>();
        RealtimeSessions sessions = services.GetRequiredService<RealtimeSessions>();
        using IDisposable place = sessions.TryEnter() ?? throw ApiException.Busy($"{options.Realtime.MaxSessions} live sessions are open already.");
        IList<string> protocols = context.WebSockets.WebSocketRequestedProtocols;
        bool beta = protocols.Contains(BetaProtocol) || context.Request.Headers["OpenAI-Beta"].ToString().Contains(BetaHeader, StringComparison.OrdinalIgnoreCase);
        using System.Net.WebSockets.WebSocket socket = await context.WebSockets
            .AcceptWebSocketAsync(protocols.Contains(Protocol) ? Protocol : null).ConfigureAwait(false);
        using RealtimeConnection connection = new(
            socket, new MeteredEngine(engine, Caller.Of(context)), options, services.GetRequiredService<GrammarCache>(), beta, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<RealtimeConnection>>(),
            Caller.Of(context));
        await connection.RunAsync(context.RequestAborted, services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping).ConfigureAwait(false);
    }
}

/// <summary>Counts the live sessions.</summary>
internal sealed class RealtimeSessions
{
    private readonly ServerOptions _options;
    private int _count;

    public RealtimeSessions(ServerOptions options, ServerMetrics metrics)
    {
        _options = options;
        metrics.ObserveSessions(() => Count);
    }

    /// <summary>Sessions that are open.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>A place, to be disposed at the end; null when all are taken.</summary>
    public IDisposable? TryEnter()
    {
        if (Interlocked.Increment(ref _count) <= _options.Realtime.MaxSessions)
            return new Place(this);
        Interlocked.Decrement(ref _count);
        return null;
    }

    private sealed class Place(RealtimeSessions owner) : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref owner._count);
    }
}
