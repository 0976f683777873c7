using Emova.Server;
using Emova.Server.Engine;
using Emova.Server.Operations;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Emova.Extensions.AI;

/// <summary>Registers a model and its clients for dependency injection.</summary>
public static class EmovaServiceCollectionExtensions
{
    /// <summary>
    /// Registers the model of a folder, one engine that owns it, and the clients <see cref="IChatClient"/>,
    /// <see cref="ISpeechToTextClient"/>, <see cref="ITextToSpeechClient"/> and <see cref="IRealtimeClient"/> on it. The model is loaded
    /// when the first of them is asked for.
    /// </summary>
    /// <param name="services">Where to register.</param>
    /// <param name="modelFolder">The model folder.</param>
    /// <param name="configure">Settings of the engine and of live sessions.</param>
    public static IServiceCollection AddEmova(this IServiceCollection services, string modelFolder, Action<ServerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(modelFolder);
        ServerOptions options = new() { Model = modelFolder };
        configure?.Invoke(options);
        if (ServerOptionsCheck.Errors(options) is { Count: > 0 } errors)
            throw new EmovaException(string.Join("; ", errors));
        services.AddLogging();
        services.AddMetrics();
        services.TryAddSingleton<ServerMetrics>();
        services.TryAddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => Assistant.Load(options.Model, options.SpeechTokenizer.Length == 0 ? null : options.SpeechTokenizer));
        services.TryAddSingleton<IInferenceEngine>(provider => ActivatorUtilities.CreateInstance<InferenceEngine>(provider));
        services.TryAddSingleton<IChatClient>(provider => new EmovaChatClient(provider.GetRequiredService<IInferenceEngine>()));
        services.TryAddSingleton<ISpeechToTextClient>(provider => new EmovaSpeechToTextClient(provider.GetRequiredService<IInferenceEngine>()));
        services.TryAddSingleton<ITextToSpeechClient>(provider => new EmovaTextToSpeechClient(provider.GetRequiredService<IInferenceEngine>()));
        services.TryAddSingleton<IRealtimeClient>(provider => new EmovaRealtimeClient(
            provider.GetRequiredService<IInferenceEngine>(), options, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILoggerFactory>()));
        return services;
    }
}
