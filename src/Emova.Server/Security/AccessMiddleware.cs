using System.Net;
using Emova.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Emova.Server.Security;

/// <summary>
/// Decides who may call: the Host header of a server without keys (a page of another site must not reach it by a name that points
/// here), the Origin of browsers, the key, and the caller's limits. Health needs none of that but the first two.
/// </summary>
internal sealed class AccessMiddleware(RequestDelegate next, ServerOptions options, ApiKeys keys, Callers callers)
{
    /// <summary>How browsers, which cannot set headers there, show their key when they open a WebSocket.</summary>
    public const string SubprotocolPrefix = "openai-insecure-api-key.";

    public async Task InvokeAsync(HttpContext context)
    {
        // Last of all, since an error answer begins by clearing what was set before.
        string? allowedOrigin = null;
        context.Response.OnStarting(() =>
        {
            AddHeaders(context.Response.Headers, allowedOrigin);
            if (context.Response.StatusCode == StatusCodes.Status401Unauthorized)
                context.Response.Headers.WWWAuthenticate = "Bearer";
            return Task.CompletedTask;
        });
        if (!keys.IsRequired && !IsOwnName(context.Request.Host.Host))
            throw Forbidden("invalid_host", $"This server does not answer to the name '{context.Request.Host.Host}'.");
        allowedOrigin = OtherOrigin(context);
        if (allowedOrigin is not null && HttpMethods.IsOptions(context.Request.Method) && !StringValues.IsNullOrEmpty(context.Request.Headers.AccessControlRequestMethod))
        {
            AnswerPreflight(context.Response);
            return;
        }

        if (!context.Request.Path.StartsWithSegments("/v1", StringComparison.Ordinal))
        {
            await next(context).ConfigureAwait(false);
            return;
        }

        Caller caller = callers.Get(Authenticate(context));
        using IDisposable visit = caller.Enter();
        context.Items[typeof(Caller)] = caller;
        await next(context).ConfigureAwait(false);
    }

    /// <summary>Whether a host name means this machine, or the address the server was told to listen on.</summary>
    private bool IsOwnName(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host == options.Host || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <summary>The allowed origin of a page from elsewhere; null for the own page and for callers that are no browsers.</summary>
    private string? OtherOrigin(HttpContext context)
    {
        string? origin = context.Request.Headers.Origin;
        if (string.IsNullOrEmpty(origin) || origin == $"{context.Request.Scheme}://{context.Request.Host}")
            return null;
        return options.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase)
            ? origin : throw Forbidden("invalid_origin", $"Pages of '{origin}' may not call this server; see the setting AllowedOrigins.");
    }

    /// <summary>Browsers ask before the real request (CORS).</summary>
    private static void AnswerPreflight(HttpResponse response)
    {
        response.Headers.AccessControlAllowMethods = "GET, POST";
        response.Headers.AccessControlAllowHeaders = "authorization, content-type, openai-beta, openai-organization, openai-project";
        response.Headers.AccessControlMaxAge = "600";
        response.StatusCode = StatusCodes.Status204NoContent;
    }

    private string Authenticate(HttpContext context)
    {
        if (!keys.IsRequired)
            return context.Connection.RemoteIpAddress?.ToString() ?? "local";
        string? shown = null;
        string header = context.Request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            shown = header["Bearer ".Length..].Trim();
        else if (context.WebSockets.IsWebSocketRequest)
            shown = context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault(name => name.StartsWith(SubprotocolPrefix, StringComparison.Ordinal))?[SubprotocolPrefix.Length..];
        if (keys.Find(shown) is { } name)
            return name;
        throw new ApiException(StatusCodes.Status401Unauthorized, "invalid_request_error", "invalid_api_key", null,
            shown is null ? "No API key was given: set the header 'Authorization: Bearer KEY'." : "The API key is not valid.");
    }

    private static void AddHeaders(IHeaderDictionary headers, string? allowedOrigin)
    {
        headers.Vary = "Origin";
        if (allowedOrigin is not null)
            headers.AccessControlAllowOrigin = allowedOrigin;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = allowedOrigin is null ? "same-origin" : "cross-origin";
        headers["Permissions-Policy"] = "camera=(self), microphone=(self), geolocation=()";
        headers.ContentSecurityPolicy =
            "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    }

    private static ApiException Forbidden(string code, string message) => new(StatusCodes.Status403Forbidden, "invalid_request_error", code, null, message);
}
