using System.Runtime.CompilerServices;
using Emova.Generation;
using Emova.Media;
using Emova.Server.Engine;
using Emova.Text;
using Microsoft.Extensions.AI;

namespace Emova.Extensions.AI;

/// <summary>
/// Chat with a model in this process: text, pictures and recordings in, text and speech out. A message may hold <see cref="TextContent"/>
/// and <see cref="DataContent"/> of <c>image/*</c> or <c>audio/wav</c>. A spoken message, and one whose options name a voice
/// (<see cref="EmovaProperties.Voice"/>), is answered aloud as well.
/// </summary>
public sealed class EmovaChatClient : IChatClient
{
    private readonly IInferenceEngine _engine;
    private readonly ChatClientMetadata _metadata;

    /// <summary>A client of an engine; several clients may share one.</summary>
    public EmovaChatClient(IInferenceEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        _metadata = new ChatClientMetadata("emova", null, engine.Info.ModelName);
    }

    /// <inheritdoc/>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        EngineRequest request = ToRequest(messages, options);
        List<float> samples = [];
        int rate = 0;
        EngineResult? result = null;
        await foreach (EngineEvent happening in _engine.RunAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (happening is EngineEvent.Audio audio)
            {
                samples.AddRange(audio.Samples);
                rate = audio.SampleRate;
            }
            else if (happening is EngineEvent.Finished finished)
            {
                result = finished.Result;
            }
        }

        ChatMessage answer = new(ChatRole.Assistant, result!.Text) { MessageId = Guid.NewGuid().ToString("N"), AdditionalProperties = Describe(result) };
        if (samples.Count > 0)
            answer.Contents.Add(MediaContent.ToContent([.. samples], rate, bare: false));
        return new ChatResponse(answer)
        {
            ResponseId = Guid.NewGuid().ToString("N"), ModelId = _engine.Info.ModelName, CreatedAt = DateTimeOffset.UtcNow, FinishReason = Reason(result),
            Usage = Usage(result), AdditionalProperties = Describe(result),
        };
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string response = Guid.NewGuid().ToString("N"), message = Guid.NewGuid().ToString("N");
        await foreach (EngineEvent happening in _engine.RunAsync(ToRequest(messages, options), cancellationToken).ConfigureAwait(false))
        {
            ChatResponseUpdate? update = happening switch
            {
                EngineEvent.Answer answer => new ChatResponseUpdate(ChatRole.Assistant, answer.Text),
                EngineEvent.Audio audio => new ChatResponseUpdate(ChatRole.Assistant, [MediaContent.ToContent(audio.Samples, audio.SampleRate, bare: true)]),
                EngineEvent.Finished finished => new ChatResponseUpdate(ChatRole.Assistant, [new UsageContent(Usage(finished.Result))])
                {
                    FinishReason = Reason(finished.Result), AdditionalProperties = Describe(finished.Result),
                },
                _ => null,
            };
            if (update is null)
                continue;
            (update.ResponseId, update.MessageId, update.ModelId, update.CreatedAt) = (response, message, _engine.Info.ModelName, DateTimeOffset.UtcNow);
            yield return update;
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(_engine) ? _engine : null;
    }

    /// <summary>Nothing: the engine belongs to whoever made it.</summary>
    public void Dispose()
    {
    }

    /// <exception cref="NotSupportedException">An option asks for what the model cannot do; it is not passed over silently.</exception>
    private EngineRequest ToRequest(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        Refuse(options?.Tools is { Count: > 0 }, nameof(ChatOptions.Tools));
        Refuse(options?.ResponseFormat is not (null or ChatResponseFormatText), nameof(ChatOptions.ResponseFormat));
        Refuse(options?.FrequencyPenalty is not (null or 0), nameof(ChatOptions.FrequencyPenalty));
        Refuse(options?.PresencePenalty is not (null or 0), nameof(ChatOptions.PresencePenalty));
        Refuse(options?.ModelId is { } model && model != _engine.Info.ModelName, nameof(ChatOptions.ModelId));
        List<EngineMessage> taken = [];
        List<string> system = string.IsNullOrWhiteSpace(options?.Instructions) ? [] : [options.Instructions];
        foreach (ChatMessage message in messages)
        {
            if (message.Role == ChatRole.System)
                system.Add(message.Text);
            else if (message.Role == ChatRole.Assistant)
                taken.Add(new EngineMessage(ConversationRole.Assistant, EmovaProperties.Text(message.AdditionalProperties, EmovaProperties.Raw) ?? message.Text));
            else if (message.Role == ChatRole.User)
                taken.Add(ReadUser(message));
            else
                throw new NotSupportedException($"messages of role '{message.Role}' are not supported");
        }

        if (taken.Count == 0 || taken[^1].Role != ConversationRole.User)
            throw new ArgumentException("the last message has to be the user's", nameof(messages));
        bool voice = EmovaProperties.Text(options?.AdditionalProperties, EmovaProperties.Voice) is not null;
        float temperature = options?.Temperature ?? 0;
        return new EngineRequest
        {
            Messages = taken,
            System = system.Count == 0 ? null : string.Join('\n', system),
            Speak = (voice || taken[^1].Speech is not null) && _engine.Info.CanSpeak,
            Voice = EmovaProperties.ReadVoice(null, null, options?.AdditionalProperties),
            MaxTokens = options?.MaxOutputTokens,
            Stop = [.. options?.StopSequences ?? []],
            Sampling = new SamplingOptions
            {
                Temperature = temperature, SpeechTemperature = 0, TopP = options?.TopP ?? 1, TopK = options?.TopK ?? 0, Seed = (ulong)(options?.Seed ?? 0),
            }.Validate(),
        };

        static void Refuse(bool asked, string name)
        {
            if (asked)
                throw new NotSupportedException($"{nameof(ChatOptions)}.{name} is not supported by this model");
        }
    }

    private static EngineMessage ReadUser(ChatMessage message)
    {
        SpeechInput? speech = null;
        PictureInput? picture = null;
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case TextContent:
                    break;
                case DataContent data when data.HasTopLevelMediaType("image") && picture is null:
                    picture = Remember(data, () => MediaContent.ReadPicture(data));
                    break;
                case DataContent data when data.HasTopLevelMediaType("audio") && speech is null:
                    speech = Remember(data, () => MediaContent.ReadSpeech(data));
                    break;
                default:
                    throw new NotSupportedException(
                        $"content of type {content.GetType().Name} is not supported: a message may have text, one picture and one recording as data");
            }
        }

        return new EngineMessage(ConversationRole.User, message.Text.Length > 0 ? message.Text : null, speech, picture);
    }

    /// <summary>The engine keeps what it computed of a recording or picture in its object, which lives as long as the content.</summary>
    private static T Remember<T>(DataContent content, Func<T> read) where T : class
    {
        if (content.RawRepresentation is T known)
            return known;
        T made = read();
        content.RawRepresentation ??= made;
        return made;
    }

    private static ChatFinishReason Reason(EngineResult result) => result.End == EndReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;

    private static UsageDetails Usage(EngineResult result) => new()
    {
        InputTokenCount = result.Prompt.Total, OutputTokenCount = result.TextTokens + result.AudioTokens,
        TotalTokenCount = result.Prompt.Total + result.TextTokens + result.AudioTokens, CachedInputTokenCount = result.Prompt.Cached,
        AdditionalCounts = new AdditionalPropertiesDictionary<long>
        {
            ["InputAudioTokenCount"] = result.Prompt.Audio, ["InputImageTokenCount"] = result.Prompt.Image, ["OutputAudioTokenCount"] = result.AudioTokens,
        },
    };

    private static AdditionalPropertiesDictionary Describe(EngineResult result)
    {
        AdditionalPropertiesDictionary properties = new() { [EmovaProperties.Raw] = result.Raw };
        Add(EmovaProperties.Heard, result.Heard);
        Add(EmovaProperties.UserEmotion, result.UserEmotion);
        Add(EmovaProperties.UserPitch, result.UserPitch);
        Add(EmovaProperties.Emotion, result.Emotion);
        Add(EmovaProperties.Pitch, result.Pitch);
        Add(EmovaProperties.Voice, result.Style);
        return properties;

        void Add(string key, string? value)
        {
            if (value is not null)
                properties[key] = value;
        }
    }
}
