using System.Security.Cryptography;
using Emova.Server.Audio;
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

namespace Emova.Server.Chat;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(IInferenceEngine engine, ChatPlanner planner, SpokenReplies spokenReplies, TimeProvider time, ILogger<ChatEndpoint> logger)
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost(
        "/v1/chat/completions", (RequestDelegate)(context => context.RequestServices.GetRequiredService<ChatEndpoint>().HandleAsync(context)));

    private async Task HandleAsync(HttpContext context)
    {
        ChatRequest request = await JsonBody.ReadAsync(context, ServerJson.Default.ChatRequest).ConfigureAwait(false);
        ChatPlan plan = await planner.PlanAsync(request, context.RequestAborted).ConfigureAwait(false);
        Caller caller = Caller.Of(context);
        caller.TakeAudio(TimeSpan.FromTicks(plan.Request.Messages.Sum(message => message.Speech?.Duration.Ticks ?? 0)));
        IAsyncEnumerable<EngineEvent> happenings = EventsAsync(plan, context.RequestAborted).ChargedTo(caller, context.RequestAborted);
        string id = "chatcmpl-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
        long created = time.GetUtcNow().ToUnixTimeSeconds();
        if (plan.Stream)
        {
            await EventStream.RunAsync(context, logger, events => new ChatStream(engine.Info, spokenReplies, plan, id, created, events)
                .WriteAsync(happenings)).ConfigureAwait(false);
            return;
        }

        ChatCompletion completion = await CompleteAsync(plan, id, created, happenings).ConfigureAwait(false);
        await context.Response.WriteAsJsonAsync(completion, ServerJson.Default.ChatCompletion, cancellationToken: context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>
    /// The engine's events. With functions, whether the answer is text and to be spoken is known only when it is finished; the
    /// speech is then a request of its own, and both results become one.
    /// </summary>
    private async IAsyncEnumerable<EngineEvent> EventsAsync(ChatPlan plan, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!plan.Tools || plan.Audio is null)
        {
            await foreach (EngineEvent happening in engine.RunAsync(plan.Request, cancellationToken).ConfigureAwait(false))
                yield return happening;
            yield break;
        }

        EngineResult? written = null;
        await foreach (EngineEvent happening in engine.RunAsync(plan.Request with { Speak = false }, cancellationToken).ConfigureAwait(false))
        {
            written = (happening as EngineEvent.Finished)?.Result;
            if (written is null)
                yield return happening;
        }

        EngineResult result = written!;
        if (!result.Text.StartsWith(JsonGrammar.CallStart, StringComparison.Ordinal) && !string.IsNullOrWhiteSpace(result.Text))
        {
            EngineRequest speak = plan.Request with { Task = EngineTask.Speak, Messages = [new(ConversationRole.User, result.Text)], Grammar = null, Stop = [], MaxTokens = null };
            await foreach (EngineEvent happening in engine.RunAsync(speak, cancellationToken).ConfigureAwait(false))
            {
                if (happening is EngineEvent.Audio)
                    yield return happening;
                else if (happening is EngineEvent.Finished { Result: var spoken })
                    result = result with { Style = spoken.Style, Units = spoken.Units, AudioTokens = spoken.AudioTokens };
            }
        }

        yield return new EngineEvent.Finished(result);
    }

    private async Task<ChatCompletion> CompleteAsync(ChatPlan plan, string id, long created, IAsyncEnumerable<EngineEvent> happenings)
    {
        List<EngineEvent.Audio> audio = [];
        EngineResult? result = null;
        await foreach (EngineEvent happening in happenings.ConfigureAwait(false))
        {
            if (happening is EngineEvent.Audio piece)
                audio.Add(piece);
            else if (happening is EngineEvent.Finished finished)
                result = finished.Result;
        }

        (string? text, List<ChatToolCall> calls) = Split(plan, result!.Text);
        ChatAnswerAudio? spoken = plan.Audio is { } format && calls.Count == 0 ? Speak(format, audio, result) : null;
        ChatAnswer answer = new("assistant", spoken is null ? text : null, null, [])
        {
            Audio = spoken, ToolCalls = calls.Count == 0 ? null : calls, Emova = ChatUsageOf.Turn(result),
        };
        return new ChatCompletion(
            id, "chat.completion", created, engine.Info.ModelName, engine.Info.Fingerprint,
            [new ChatChoice(0, ChatUsageOf.Reason(result, calls.Count), null, answer)], ChatUsageOf.Result(result));
    }

    private static (string? Text, List<ChatToolCall> Calls) Split(ChatPlan plan, string written)
    {
        if (!plan.Tools)
            return (written, []);
        string? text = null;
        List<ChatToolCall> calls = [];
        ToolCallReader reader = new(
            piece => text += piece,
            (_, name) => calls.Add(new ChatToolCall(ChatStream.NewCallId(), "function", new ChatToolCallFunction(name, ""))),
            (index, piece) => calls[index] = calls[index] with { Function = calls[index].Function! with { Arguments = calls[index].Function!.Arguments + piece } });
        reader.Add(written);
        reader.Finish();
        return (text, calls);
    }

    private ChatAnswerAudio Speak(AudioFormat format, List<EngineEvent.Audio> audio, EngineResult result)
    {
        (string id, DateTimeOffset expires) = spokenReplies.Reserve();
        spokenReplies.Keep(id, expires, result.Raw);
        return new ChatAnswerAudio(id, Convert.ToBase64String(SpeechEncoder.Encode(format, audio)), result.Text, expires.ToUnixTimeSeconds());
    }
}
