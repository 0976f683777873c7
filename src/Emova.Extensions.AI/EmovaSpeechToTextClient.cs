using System.Runtime.CompilerServices;
using Emova.Media;
using Emova.Server.Engine;
using Emova.Text;
using Microsoft.Extensions.AI;

namespace Emova.Extensions.AI;

/// <summary>
/// Transcribes with a model in this process. Streams hold a WAV file, or bare samples of 16 bits when
/// <see cref="SpeechToTextOptions.SpeechSampleRate"/> says at which rate.
/// </summary>
public sealed class EmovaSpeechToTextClient : ISpeechToTextClient
{
    private readonly IInferenceEngine _engine;
    private readonly SpeechToTextClientMetadata _metadata;

    /// <summary>A client of an engine; several clients may share one.</summary>
    public EmovaSpeechToTextClient(IInferenceEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        _metadata = new SpeechToTextClientMetadata("emova", null, engine.Info.ModelName);
    }

    /// <inheritdoc/>
    public async Task<SpeechToTextResponse> GetTextAsync(Stream audioSpeechStream, SpeechToTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        SpeechInput speech = await ReadAsync(audioSpeechStream, options, cancellationToken).ConfigureAwait(false);
        EngineResult? result = null;
        await foreach (EngineEvent happening in _engine.RunAsync(Request(speech), cancellationToken).ConfigureAwait(false))
            result = (happening as EngineEvent.Finished)?.Result ?? result;
        return new SpeechToTextResponse(result!.Text)
        {
            ResponseId = Guid.NewGuid().ToString("N"), ModelId = _engine.Info.ModelName, StartTime = TimeSpan.Zero, EndTime = speech.Duration, Usage = Usage(result),
        };
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<SpeechToTextResponseUpdate> GetStreamingTextAsync(
        Stream audioSpeechStream, SpeechToTextOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        SpeechInput speech = await ReadAsync(audioSpeechStream, options, cancellationToken).ConfigureAwait(false);
        string id = Guid.NewGuid().ToString("N");
        yield return Update(SpeechToTextResponseUpdateKind.SessionOpen, []);
        await foreach (EngineEvent happening in _engine.RunAsync(Request(speech), cancellationToken).ConfigureAwait(false))
        {
            if (happening is EngineEvent.Answer answer)
            {
                yield return Update(SpeechToTextResponseUpdateKind.TextUpdating, [new TextContent(answer.Text)]);
            }
            else if (happening is EngineEvent.Finished finished)
            {
                SpeechToTextResponseUpdate closed = Update(SpeechToTextResponseUpdateKind.SessionClose, [new UsageContent(Usage(finished.Result))]);
                (closed.StartTime, closed.EndTime) = (TimeSpan.Zero, speech.Duration);
                yield return closed;
            }
        }

        SpeechToTextResponseUpdate Update(SpeechToTextResponseUpdateKind kind, IList<AIContent> contents) =>
            new(contents) { Kind = kind, ResponseId = id, ModelId = _engine.Info.ModelName };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null : serviceType == typeof(SpeechToTextClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(_engine) ? _engine : null;
    }

    /// <summary>Nothing: the engine belongs to whoever made it.</summary>
    public void Dispose()
    {
    }

    /// <exception cref="NotSupportedException">A translation is asked for.</exception>
    /// <exception cref="EmovaException">The stream holds no usable recording.</exception>
    private static async Task<SpeechInput> ReadAsync(Stream stream, SpeechToTextOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (options is { TextLanguage: { } text, SpeechLanguage: { } speech } && text != speech)
            throw new NotSupportedException($"translation from '{speech}' to '{text}' is not supported by this model");
        using MemoryStream data = new();
        await stream.CopyToAsync(data, cancellationToken).ConfigureAwait(false);
        AudioClip clip = MediaContent.ReadAudio(data.ToArray(), options?.SpeechSampleRate);
        return new SpeechInput(clip);
    }

    private static EngineRequest Request(SpeechInput speech) => new()
    {
        Task = EngineTask.Transcribe, Messages = [new EngineMessage(ConversationRole.User, null, speech)],
    };

    private static UsageDetails Usage(EngineResult result) => new()
    {
        InputTokenCount = result.Prompt.Total, OutputTokenCount = result.TextTokens, TotalTokenCount = result.Prompt.Total + result.TextTokens,
    };
}
