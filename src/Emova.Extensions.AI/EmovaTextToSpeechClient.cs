using System.Runtime.CompilerServices;
using Emova.Server.Engine;
using Emova.Text;
using Microsoft.Extensions.AI;

namespace Emova.Extensions.AI;

/// <summary>
/// Speaks with a model in this process. <see cref="TextToSpeechOptions.VoiceId"/> is <c>female</c>, <c>male</c> or a style such as
/// <c>female-happy-high</c>; <see cref="EmovaProperties.Emotion"/> and <see cref="EmovaProperties.Pitch"/> in
/// <see cref="TextToSpeechOptions.AdditionalProperties"/> choose the mood of a voice. <see cref="TextToSpeechOptions.AudioFormat"/> is
/// <c>wav</c> (the default) or <c>pcm</c>; a stream is always <c>pcm</c>, 16 bits, with the rate in the media type.
/// </summary>
public sealed class EmovaTextToSpeechClient : ITextToSpeechClient
{
    private readonly IInferenceEngine _engine;
    private readonly TextToSpeechClientMetadata _metadata;

    /// <summary>A client of an engine; several clients may share one.</summary>
    public EmovaTextToSpeechClient(IInferenceEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        _metadata = new TextToSpeechClientMetadata("emova", null, engine.Info.ModelName);
    }

    /// <inheritdoc/>
    public async Task<TextToSpeechResponse> GetAudioAsync(string text, TextToSpeechOptions? options = null, CancellationToken cancellationToken = default)
    {
        bool bare = options?.AudioFormat switch
        {
            null or "wav" or MediaContent.Wav => false,
            "pcm" or "audio/pcm" => true,
            { } other => throw new NotSupportedException($"audio format '{other}' is not supported: expected wav or pcm"),
        };
        EngineRequest request = ToRequest(text, options, out float volume);
        List<float> samples = [];
        int rate = _engine.Info.OutputSampleRate;
        EngineResult? result = null;
        await foreach (EngineEvent happening in _engine.RunAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (happening is EngineEvent.Audio audio)
            {
                samples.AddRange(Scale(audio.Samples, volume));
                rate = audio.SampleRate;
            }
            else if (happening is EngineEvent.Finished finished)
            {
                result = finished.Result;
            }
        }

        return new TextToSpeechResponse([MediaContent.ToContent([.. samples], rate, bare)])
        {
            ResponseId = Guid.NewGuid().ToString("N"), ModelId = _engine.Info.ModelName, Usage = Usage(result!),
            AdditionalProperties = new AdditionalPropertiesDictionary { [EmovaProperties.Voice] = result!.Style },
        };
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<TextToSpeechResponseUpdate> GetStreamingAudioAsync(
        string text, TextToSpeechOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (options?.AudioFormat is not (null or "pcm" or "audio/pcm"))
            throw new NotSupportedException($"audio format '{options.AudioFormat}' cannot be streamed: expected pcm");
        EngineRequest request = ToRequest(text, options, out float volume);
        string id = Guid.NewGuid().ToString("N");
        yield return Update(TextToSpeechResponseUpdateKind.SessionOpen, []);
        await foreach (EngineEvent happening in _engine.RunAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (happening is EngineEvent.Audio audio)
                yield return Update(TextToSpeechResponseUpdateKind.AudioUpdating, [MediaContent.ToContent(Scale(audio.Samples, volume), audio.SampleRate, bare: true)]);
            else if (happening is EngineEvent.Finished finished)
                yield return Update(TextToSpeechResponseUpdateKind.SessionClose, [new UsageContent(Usage(finished.Result))]);
        }

        TextToSpeechResponseUpdate Update(TextToSpeechResponseUpdateKind kind, IList<AIContent> contents) =>
            new(contents) { Kind = kind, ResponseId = id, ModelId = _engine.Info.ModelName };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null : serviceType == typeof(TextToSpeechClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(_engine) ? _engine : null;
    }

    /// <summary>Nothing: the engine belongs to whoever made it.</summary>
    public void Dispose()
    {
    }

    private static EngineRequest ToRequest(string text, TextToSpeechOptions? options, out float volume)
    {
        ArgumentNullException.ThrowIfNull(text);
        volume = options?.Volume ?? 1;
        if (!(volume is >= 0 and <= 10))
            throw new ArgumentException(FormattableString.Invariant($"volume {volume} is out of range, allowed are 0 to 10"), nameof(options));
        VoiceOptions voice = EmovaProperties.ReadVoice(options?.VoiceId, options?.Speed, options?.AdditionalProperties);
        // The interface's pitch is a factor, the dial counts semitones.
        if (options?.Pitch is { } pitch)
            voice = voice with { Dials = voice.Dials with { PitchShift = 12 * MathF.Log2(pitch) } };
        return new EngineRequest
        {
            Task = EngineTask.Speak, Messages = [new EngineMessage(ConversationRole.User, text)], Speak = true, Voice = voice.Validate(),
        };
    }

    private static float[] Scale(float[] samples, float volume) => volume == 1 ? samples : [.. samples.Select(sample => sample * volume)];

    private static UsageDetails Usage(EngineResult result) => new()
    {
        InputTokenCount = result.Prompt.Total, OutputTokenCount = result.AudioTokens, TotalTokenCount = result.Prompt.Total + result.AudioTokens,
    };
}
