using System.Diagnostics;
using Emova.Server.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Emova.Server.Operations;

/// <summary>One line for each request, written when it has ended: what was asked for and how it went, nothing of its content.</summary>
internal sealed class RequestLogMiddleware(RequestDelegate next, ILogger<RequestLogMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            string caller = (context.Items[typeof(Caller)] as Caller)?.Name ?? "nobody";
            ServerLog.Request(
                logger, context.Request.Method, context.Request.Path, context.Response.StatusCode, Math.Round(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 1), caller);
        }
    }
}
