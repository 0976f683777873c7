using Emova.Generation;
using Emova.Media;
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

/// <summary><c>POST /v1/audio/transcriptions</c> and <c>/v1/audio/translations</c>.</summary>
internal sealed class TranscriptionEndpoint(IInferenceEngine engine, Assistant assistant, MediaInput media, ILogger<TranscriptionEndpoint> logger)
{
    private const string TranslateInstruction = "Translate the following sentence into English. Answer with the translation only.\n";

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapPost("/v1/audio/transcriptions", (RequestDelegate)(context => context.RequestServices.GetRequiredService<TranscriptionEndpoint>().HandleAsync(context, translation: false)));
        app.MapPost("/v1/audio/translations", (RequestDelegate)(context => context.RequestServices.GetRequiredService<TranscriptionEndpoint>().HandleAsync(context, translation: true)));
    }

    private async Task HandleAsync(HttpContext context, bool translation)
    {
        TranscriptionForm form = await TranscriptionForm.ReadAsync(context.Request.Body, context.Request.ContentType, translation, context.RequestAborted).ConfigureAwait(false);
        ChatPlanner.RequireModel(form.Model, engine.Info);
        if (!engine.Info.CanHear)
            throw ApiException.Unsupported("model", "This model cannot hear.");
        AudioClip recording = media.Wav(form.File, "file");
        Caller.Of(context).TakeAudio(recording.Duration);
        if (form.Stream)
        {
            await EventStream.RunAsync(context, logger, async events =>
            {
                (Transcript whole, TokenUsage counted) = await TranscribeAsync(recording, form, translation, delta => events.WriteAsync(
                    new TranscriptDelta("transcript.text.delta", delta), ServerJson.Default.TranscriptDelta), context.RequestAborted).ConfigureAwait(false);
                await events.WriteAsync(new TranscriptDone("transcript.text.done", whole.Text, counted), ServerJson.Default.TranscriptDone).ConfigureAwait(false);
            }).ConfigureAwait(false);
            return;
        }

        (Transcript transcript, TokenUsage usage) = await TranscribeAsync(recording, form, translation, null, context.RequestAborted).ConfigureAwait(false);
        switch (form.ResponseFormat)
        {
            case "text":
                await WriteAsync("text/plain; charset=utf-8", transcript.Text + "\n").ConfigureAwait(false);
                break;
            case "srt":
                await WriteAsync("application/x-subrip; charset=utf-8", transcript.SubRip()).ConfigureAwait(false);
                break;
            case "vtt":
                await WriteAsync("text/vtt; charset=utf-8", transcript.WebVtt()).ConfigureAwait(false);
                break;
            case "verbose_json":
                await context.Response.WriteAsJsonAsync(
                    transcript.Verbose(translation ? "translate" : "transcribe", form.Segments, form.Words), ServerJson.Default.VerboseTranscription, cancellationToken: context.RequestAborted).ConfigureAwait(false);
                break;
            default:
                await context.Response.WriteAsJsonAsync(new Transcription(transcript.Text, usage), ServerJson.Default.Transcription, cancellationToken: context.RequestAborted).ConfigureAwait(false);
                break;
        }

        Task WriteAsync(string contentType, string text)
        {
            context.Response.ContentType = contentType;
            return context.Response.WriteAsync(text, context.RequestAborted);
        }
    }

    private async Task<(Transcript Transcript, TokenUsage Usage)> TranscribeAsync(
        AudioClip recording, TranscriptionForm form, bool translation, Func<string, Task>? onDelta, CancellationToken cancellationToken)
    {
        Transcript transcript = new(recording.Duration.TotalSeconds, form.Language, form.Temperature);
        int audio = 0, text = 0, output = 0;
        SamplingOptions sampling = SamplingOptions.Greedy with { Temperature = form.Temperature };
        foreach (SpeechSegment segment in SpeechSegments.Cut(recording))
        {
            EngineRequest listen = new() { Task = EngineTask.Transcribe, Messages = [new(ConversationRole.User, null, new SpeechInput(segment.Clip))], Sampling = sampling };
            if (transcript.Text.Length > 0 && onDelta is not null)
                await onDelta(" ").ConfigureAwait(false);
            EngineResult heard = await RunAsync(listen, translation ? null : onDelta).ConfigureAwait(false);
            // A model of spoken English has nothing to translate from.
            if (translation && !assistant.KnowsSpokenTextOnly)
                heard = await RunAsync(new EngineRequest { Messages = [new(ConversationRole.User, TranslateInstruction + heard.Text)], Sampling = sampling }, null).ConfigureAwait(false);
            transcript.Add(segment, heard.Text, assistant.Tokenizer.Encode(heard.Text));
        }

        return (transcript, new TokenUsage(audio + text, output, audio + text + output) { Type = "tokens", InputTokenDetails = new InputTokenDetails(audio, text) });

        async Task<EngineResult> RunAsync(EngineRequest request, Func<string, Task>? deltas)
        {
            EngineResult? result = null;
            await foreach (EngineEvent happening in engine.RunAsync(request, cancellationToken).ConfigureAwait(false))
            {
                if (happening is EngineEvent.Answer answer && deltas is not null)
                    await deltas(answer.Text).ConfigureAwait(false);
                result = (happening as EngineEvent.Finished)?.Result;
            }

            (audio, text, output) = (audio + result!.Prompt.Audio, text + result.Prompt.Text, output + result.TextTokens);
            return result;
        }
    }
}
