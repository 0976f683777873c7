using System.Globalization;
using Emova.Server.Engine;
using Emova.Server.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Http;

/// <summary>Turns everything that goes wrong into OpenAI's error object with the right status; a defect is logged and shows nothing of itself.</summary>
internal sealed class ErrorMiddleware(RequestDelegate next, ILogger<ErrorMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed, ContentLength: null })
                await WriteAsync(context, NoSuchEndpoint(context)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to answer.
        }
        catch (Exception error) when (!context.Response.HasStarted)
        {
            await WriteAsync(context, Translate(error, context, logger)).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not IOException)
        {
            // Part of an answer is out already: only cutting the connection tells the caller that the rest is missing.
            ServerLog.Failed(logger, context.Request.Method, context.Request.Path, error);
            context.Abort();
        }
    }

    /// <summary>The answer to an error; logs what is the server's own fault.</summary>
    public static ApiException Translate(Exception error, HttpContext context, ILogger logger)
    {
        switch (error)
        {
            case ApiException known:
                return known;
            case ContextLengthException tooLong:
                return ApiException.Invalid("messages", tooLong.Message, ContextLengthException.Code);
            case EmovaException unusable:
                return ApiException.Invalid(null, unusable.Message);
            case EngineBusyException busy:
                return ApiException.Busy(busy.Message);
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return ApiException.TooLarge("body", "The request body is larger than this server accepts.");
            case BadHttpRequestException bad:
                return new ApiException(bad.StatusCode, "invalid_request_error", null, null, "The request could not be read.");
            default:
                ServerLog.Failed(logger, context.Request.Method, context.Request.Path, error);
                return ApiException.Internal();
        }
    }

    public static Task WriteAsync(HttpContext context, ApiException error)
    {
        context.Response.Clear();
        context.Response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        return context.Response.WriteAsJsonAsync(error.Error, ServerJson.Default.ApiError, cancellationToken: context.RequestAborted);
    }

    private static ApiException NoSuchEndpoint(HttpContext context) => new(
        context.Response.StatusCode, "invalid_request_error", "unknown_url", null, $"Unknown request URL: {context.Request.Method} {context.Request.Path}.");
}
