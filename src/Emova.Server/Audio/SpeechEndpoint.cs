using Emova.Generation;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Http;
using Emova.Server.Security;
using Emova.Server.Wire;
using Emova.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Audio;

/// <summary><c>POST /v1/audio/speech</c>: text in, speech out while it is made, sentence after sentence.</summary>
internal sealed class SpeechEndpoint(IInferenceEngine engine, ILogger<SpeechEndpoint> logger)
{
    private const int MaxInput = 4096;

    public static void Map(IEndpointRouteBuilder app) => app.MapPost(
        "/v1/audio/speech", (RequestDelegate)(context => context.RequestServices.GetRequiredService<SpeechEndpoint>().HandleAsync(context)));

    private async Task HandleAsync(HttpContext context)
    {
        SpeechRequest request = await JsonBody.ReadAsync(context, ServerJson.Default.SpeechRequest).ConfigureAwait(false);
        ChatPlanner.RequireModel(request.Model, engine.Info);
        if (!engine.Info.CanSpeak)
            throw ApiException.Unsupported("model", "This model cannot speak.");
        IReadOnlyList<string> sentences = Sentences(request.Input);
        VoiceOptions voice = Voice(request);
        AudioFormat format = Format(request.ResponseFormat);
        switch (request.StreamFormat)
        {
            case null or "audio":
                await StreamAudioAsync(context, sentences, voice, format).ConfigureAwait(false);
                break;
            case "sse":
                await EventStream.RunAsync(context, logger, events => StreamEventsAsync(
                    events, SpeakAsync(sentences, voice, context.RequestAborted).ChargedTo(Caller.Of(context), context.RequestAborted), format)).ConfigureAwait(false);
                break;
            default:
                throw ApiException.Unsupported("stream_format", $"'stream_format' is '{request.StreamFormat}'. Supported values are: 'audio', 'sse'.");
        }
    }

    private static IReadOnlyList<string> Sentences(string? input)
    {
        if (string.IsNullOrEmpty(input))
            throw ApiException.Missing("input");
        if (input.Length > MaxInput)
            throw ApiException.Invalid("input", $"'input' has {input.Length} characters, allowed are {MaxInput}.", "string_above_max_length");
        IReadOnlyList<string> sentences = SpokenSentences.Split(input);
        return sentences.Count > 0 ? sentences : throw ApiException.Invalid("input", "There is nothing to say in 'input'.");
    }

    private VoiceOptions Voice(SpeechRequest request)
    {
        if (request.Instructions?.Length > MaxInput)
            throw ApiException.Invalid("instructions", $"'instructions' has {request.Instructions.Length} characters, allowed are {MaxInput}.", "string_above_max_length");
        VoiceOptions voice = InstructionStyle.Apply(VoiceParameters.Parse(request.Voice, "voice", engine.Info), request.Instructions);
        return VoiceParameters.Apply(voice, "", request.Emotion, request.Pitch, request.Speed, request.PitchShift, request.EmotionStrength, unchecked((ulong)(request.Seed ?? 0)));
    }

    private static AudioFormat Format(string? format) => format switch
    {
        "wav" => AudioFormat.Wav,
        "flac" => AudioFormat.Flac,
        "pcm" => AudioFormat.Pcm,
        null => throw ApiException.Unsupported("response_format", "'response_format' is not given and OpenAI's default 'mp3' is not supported. Supported values are: 'wav', 'flac', 'pcm'."),
        _ => throw ApiException.Unsupported("response_format", $"'response_format' is '{format}'. Supported values are: 'wav', 'flac', 'pcm'."),
    };

    private async Task StreamAudioAsync(HttpContext context, IReadOnlyList<string> sentences, VoiceOptions voice, AudioFormat format)
    {
        using SpeechEncoder encoder = new(format, streamed: true);
        await foreach (EngineEvent happening in SpeakAsync(sentences, voice, context.RequestAborted).ChargedTo(Caller.Of(context), context.RequestAborted).ConfigureAwait(false))
        {
            if (happening is EngineEvent.Audio audio)
                await SendAsync(encoder.Push(audio.Samples, audio.SampleRate)).ConfigureAwait(false);
        }

        await SendAsync(encoder.Finish()).ConfigureAwait(false);

        async Task SendAsync(byte[] bytes)
        {
            if (bytes.Length == 0)
                return;
            if (!context.Response.HasStarted)
                context.Response.ContentType = SpeechEncoder.ContentType(format);
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
        }
    }

    private async Task StreamEventsAsync(EventStream events, IAsyncEnumerable<EngineEvent> happenings, AudioFormat format)
    {
        using SpeechEncoder encoder = new(format, streamed: true);
        int input = 0, output = 0;
        await foreach (EngineEvent happening in happenings.ConfigureAwait(false))
        {
            if (happening is EngineEvent.Audio audio)
                await SendAsync(encoder.Push(audio.Samples, audio.SampleRate)).ConfigureAwait(false);
            else if (happening is EngineEvent.Finished { Result: var result })
                (input, output) = (input + result.Prompt.Total, output + result.AudioTokens);
        }

        await SendAsync(encoder.Finish()).ConfigureAwait(false);
        await events.WriteAsync(new SpeechDone("speech.audio.done", new TokenUsage(input, output, input + output)), ServerJson.Default.SpeechDone).ConfigureAwait(false);

        async Task SendAsync(byte[] bytes)
        {
            if (bytes.Length > 0)
                await events.WriteAsync(new SpeechDelta("speech.audio.delta", Convert.ToBase64String(bytes)), ServerJson.Default.SpeechDelta).ConfigureAwait(false);
        }
    }

    private async IAsyncEnumerable<EngineEvent> SpeakAsync(
        IReadOnlyList<string> sentences, VoiceOptions voice, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (string sentence in sentences)
        {
            EngineRequest request = new()
            {
                Task = EngineTask.Speak, Messages = [new EngineMessage(ConversationRole.User, sentence)], Speak = true, Voice = voice, Sampling = SamplingOptions.Greedy,
            };
            await foreach (EngineEvent happening in engine.RunAsync(request, cancellationToken).ConfigureAwait(false))
                yield return happening;
        }
    }
}
