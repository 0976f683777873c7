using Emova.Server.Engine;
using Emova.Tests.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Tests;

/// <summary>A running server with a small model of random weights on a free port of this machine.</summary>
public sealed class ServerFixture : IAsyncDisposable
{
    private static readonly Lazy<(RandomModelFolder Folder, Assistant Assistant)> Shared = new(() =>
    {
        RandomModelFolder folder = new();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Dispose();
        return (folder, Assistant.Load(folder.Folder));
    });

    private readonly WebApplication _app;

    public ServerFixture() : this([])
    {
    }

    internal ServerFixture(Dictionary<string, string?> settings, Action<WebApplicationBuilder>? configure = null)
    {
        _app = ServerHost.Build(Settings(settings), null, builder =>
        {
            builder.Services.AddSingleton(Shared.Value.Assistant);
            builder.Logging.ClearProviders();
            configure?.Invoke(builder);
        });
        _app.StartAsync().GetAwaiter().GetResult();
        Client = new HttpClient { BaseAddress = new Uri(_app.Urls.Single()) };
    }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    internal IInferenceEngine Engine => _app.Services.GetRequiredService<IInferenceEngine>();

    internal static string ModelFolder => Shared.Value.Folder.Folder;

    public static Dictionary<string, string?> Settings(Dictionary<string, string?>? changes = null)
    {
        Dictionary<string, string?> settings = new()
        {
            ["Emova:Model"] = ModelFolder, ["Emova:ModelName"] = "emova-test", ["Emova:Port"] = "0",
            // A model of random weights would go on until its memory is full.
            ["Emova:Engine:MaxTextBytes"] = "40", ["Emova:Engine:MaxUnits"] = "40",
        };
        foreach ((string key, string? value) in changes ?? [])
            settings["Emova:" + key] = value;
        return settings;
    }

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }
}
