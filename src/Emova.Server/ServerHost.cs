using System.Net;
using System.Net.Sockets;
using Emova.Media;
using Emova.Server.Audio;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Operations;
using Emova.Server.Page;
using Emova.Server.Realtime;
using Emova.Server.Security;
using Emova.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Emova.Server;

/// <summary>Builds and runs the server; the command line and the tests start the same one.</summary>
public static class ServerHost
{
    private const int WarmUpSide = 64;
    private const int WarmUpTokens = 100;

    /// <summary>Builds the server without starting it.</summary>
    /// <param name="settings">Values for keys of the configuration, such as <c>Emova:Port</c>; they win over file and environment.</param>
    /// <param name="configFile">An appsettings file that must exist; null for appsettings.json of the current folder, if there is one.</param>
    /// <param name="configure">Changes to the services, such as another engine.</param>
    /// <exception cref="EmovaException">A setting is wrong, or the model cannot be loaded.</exception>
    public static WebApplication Build(
        IEnumerable<KeyValuePair<string, string?>> settings, string? configFile = null, Action<WebApplicationBuilder>? configure = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "emova" });
        if (configFile is not null)
        {
            if (!File.Exists(configFile))
                throw new EmovaException($"{configFile}: no such configuration file");
            builder.Configuration.AddJsonFile(Path.GetFullPath(configFile), optional: false, reloadOnChange: false);
        }

        builder.Configuration.AddInMemoryCollection(settings);
        ServerOptions options = ReadOptions(builder.Configuration);
        builder.Services.AddSingleton(options);
        // The framework's own lines have query strings in them, and there are several for each request; RequestLogMiddleware writes one.
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(_ => ApiKeys.Load(options.ApiKeyFile));
        builder.Services.AddSingleton<Callers>();
        builder.Services.AddMetrics();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(options.DrainSeconds));
        builder.Services.AddSingleton<ServerMetrics>();
        builder.Services.AddSingleton<PrometheusMetrics>();
        if (options.Telemetry.OtlpEndpoint.Length > 0)
            OtlpExport.Add(builder.Services, options.Telemetry);
        builder.Services.AddSingleton<IInferenceEngine, InferenceEngine>();
        builder.Services.AddSingleton<RealtimeSessions>();
        builder.Services.AddSingleton<RemoteMedia>();
        builder.Services.AddSingleton<MediaInput>();
        builder.Services.AddSingleton<SpokenReplies>();
        builder.Services.AddSingleton(services =>
        {
            Assistant assistant = services.GetRequiredService<Assistant>();
            return new GrammarCache(assistant.Tokenizer, assistant.Template.EndToken);
        });
        builder.Services.AddSingleton<ChatMessageReader>();
        builder.Services.AddSingleton<ChatPlanner>();
        builder.Services.AddSingleton<ChatEndpoint>();
        builder.Services.AddSingleton<SpeechEndpoint>();
        builder.Services.AddSingleton<TranscriptionEndpoint>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = options.Limits.MaxConnections;
            kestrel.Limits.MaxRequestBodySize = options.Limits.MaxBodyBytes;
            kestrel.Listen(options.Host == "localhost" ? IPAddress.Loopback : IPAddress.Parse(options.Host), options.Port);
        });
        configure?.Invoke(builder);
        builder.Services.TryAddSingleton(_ => Load(options));

        WebApplication app = builder.Build();
        _ = app.Services.GetRequiredService<ApiKeys>();
        _ = app.Services.GetRequiredService<PrometheusMetrics>(); // It must be there before the first measurement.
        _ = app.Services.GetRequiredService<RealtimeSessions>();
        _ = app.Services.GetRequiredService<IInferenceEngine>(); // A damaged model is found before the first connection.
        app.UseMiddleware<RequestLogMiddleware>();
        app.UseMiddleware<ErrorMiddleware>();
        // A client that vanished without closing does not answer pings; its session ends then.
        TimeSpan ping = TimeSpan.FromSeconds(options.Realtime.PingSeconds);
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = ping, KeepAliveTimeout = ping });
        app.UseMiddleware<AccessMiddleware>();
        ModelEndpoints.Map(app);
        PageEndpoints.Map(app);
        OperationsEndpoints.Map(app);
        RealtimeEndpoints.Map(app);
        ChatEndpoint.Map(app);
        SpeechEndpoint.Map(app);
        TranscriptionEndpoint.Map(app);
        return app;
    }

    /// <summary>Runs the server until it is told to stop.</summary>
    /// <exception cref="EmovaException">The address cannot be listened on.</exception>
    public static async Task RunAsync(WebApplication app, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(app);
        await using (app.ConfigureAwait(false))
        {
            await WarmUpAsync(app.Services.GetRequiredService<IInferenceEngine>(), cancellationToken).ConfigureAwait(false);
            try
            {
                await app.StartAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (IOException error) when (error.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException or SocketException)
            {
                throw new EmovaException($"{ServerOptions.Section}:Host and :Port: {error.Message}", error);
            }

            ServerLog.Listening(app.Logger, string.Join(' ', app.Urls), app.Services.GetRequiredService<IInferenceEngine>().Info.ModelName);
            using CancellationTokenRegistration stop = cancellationToken.Register(app.Lifetime.StopApplication);
            await app.WaitForShutdownAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// One spoken turn that nobody hears: the code of every part is compiled by the time the first caller comes, who would wait ten
    /// times as long otherwise.
    /// </summary>
    private static async Task WarmUpAsync(IInferenceEngine engine, CancellationToken cancellationToken)
    {
        if (!engine.Info.CanHear || !engine.Info.CanSpeak)
            return;
        SpeechInput silence = new(new AudioClip(new float[Assistant.SampleRate], Assistant.SampleRate));
        PictureInput? picture = engine.Info.CanSee ? new PictureInput(new RgbImage(WarmUpSide, WarmUpSide, new byte[3 * WarmUpSide * WarmUpSide])) : null;
        EngineRequest turn = new() { Messages = [new(ConversationRole.User, null, silence, picture)], Speak = true, MaxTokens = WarmUpTokens };
        await foreach (EngineEvent _ in engine.RunAsync(turn, cancellationToken).ConfigureAwait(false))
        {
        }

        await foreach (EngineEvent _ in engine.RunAsync(new EngineRequest { Task = EngineTask.Speak, Messages = [new(ConversationRole.User, "one")], Speak = true, MaxTokens = WarmUpTokens }, cancellationToken).ConfigureAwait(false))
        {
        }
    }

    private static Assistant Load(ServerOptions options)
    {
        Assistant assistant = Assistant.Load(options.Model, options.SpeechTokenizer.Length == 0 ? null : options.SpeechTokenizer);
        assistant.DefaultAdapter = options.Adapter.Length == 0 ? null : assistant.LoadAdapter(options.Adapter);
        foreach (string voice in options.Voices)
            assistant.SpeechParts.AddVoice(Models.Speech.Voice.Load(voice));
        return assistant;
    }

    private static ServerOptions ReadOptions(ConfigurationManager configuration)
    {
        ServerOptions options;
        try
        {
            options = configuration.GetSection(ServerOptions.Section).Get<ServerOptions>(binder => binder.ErrorOnUnknownConfiguration = true) ?? new ServerOptions();
        }
        catch (InvalidOperationException error)
        {
            throw new EmovaException($"{ServerOptions.Section}: {error.Message}", error);
        }

        IReadOnlyList<string> wrong = ServerOptionsCheck.Errors(options);
        return wrong.Count == 0 ? options : throw new EmovaException(string.Join("; ", wrong));
    }
}
