using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Emova.Server.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Http;

/// <summary>Server-sent events: <c>data: {json}</c>, an empty line, each sent at once.</summary>
internal sealed class EventStream(HttpContext context)
{
    private static readonly byte[] Prefix = "data: "u8.ToArray();
    private static readonly byte[] End = "\n\n"u8.ToArray();

    /// <summary>
    /// Runs a writer of events. Errors before the first event become an ordinary error answer; later ones an event
    /// <c>{"error": ...}</c>, after which the stream ends.
    /// </summary>
    public static async Task RunAsync(HttpContext context, ILogger logger, Func<EventStream, Task> write)
    {
        try
        {
            await write(new EventStream(context)).ConfigureAwait(false);
        }
        catch (Exception error) when (context.Response.HasStarted && error is not (OperationCanceledException or IOException))
        {
            ApiException shown = ErrorMiddleware.Translate(error, context, logger);
            await new EventStream(context).WriteAsync(shown.Error, ServerJson.Default.ApiError).ConfigureAwait(false);
        }
    }

    public async Task WriteAsync<T>(T value, JsonTypeInfo<T> type)
    {
        Begin();
        await context.Response.Body.WriteAsync(Prefix, context.RequestAborted).ConfigureAwait(false);
        await JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted).ConfigureAwait(false);
        await FinishAsync().ConfigureAwait(false);
    }

    /// <summary>The mark at the end of a chat stream.</summary>
    public async Task WriteDoneAsync()
    {
        Begin();
        await context.Response.Body.WriteAsync("data: [DONE]"u8.ToArray(), context.RequestAborted).ConfigureAwait(false);
        await FinishAsync().ConfigureAwait(false);
    }

    private void Begin()
    {
        if (context.Response.HasStarted)
            return;
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["X-Accel-Buffering"] = "no";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
    }

    private async Task FinishAsync()
    {
        await context.Response.Body.WriteAsync(End, context.RequestAborted).ConfigureAwait(false);
        await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }
}
