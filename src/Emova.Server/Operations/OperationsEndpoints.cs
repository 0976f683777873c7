using Emova.Server.Engine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Emova.Server.Operations;

/// <summary><c>/metrics</c>, the OpenAPI document, and a page that shows it.</summary>
internal static class OperationsEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/metrics", (RequestDelegate)(context =>
            WriteAsync(context, "text/plain; version=0.0.4; charset=utf-8", context.RequestServices.GetRequiredService<PrometheusMetrics>().Write())));
        app.MapGet("/openapi.json", (RequestDelegate)(context =>
            WriteAsync(context, "application/json; charset=utf-8", OpenApiDocument.Create(Info(context)).ToJsonString())));
        app.MapGet("/docs", (RequestDelegate)(context =>
            WriteAsync(context, "text/html; charset=utf-8", ReferencePage.Write(OpenApiDocument.Create(Info(context))))));
        app.MapGet("/docs/style.css", (RequestDelegate)(context => WriteAsync(context, "text/css; charset=utf-8", ReferencePage.Style)));
    }

    private static EngineInfo Info(HttpContext context) => context.RequestServices.GetRequiredService<IInferenceEngine>().Info;

    private static Task WriteAsync(HttpContext context, string contentType, string text)
    {
        context.Response.ContentType = contentType;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
