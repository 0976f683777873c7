using Emova.Models.Speech;
using Emova.Server.Engine;
using Emova.Server.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Emova.Server.Http;

/// <summary><c>/health</c>, <c>/v1/models</c> and <c>/v1/audio/voices</c>.</summary>
internal static class ModelEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/health", (RequestDelegate)HealthAsync);
        app.MapGet("/v1/models", (RequestDelegate)ListAsync);
        app.MapGet("/v1/models/{id}", (RequestDelegate)GetAsync);
        app.MapGet("/v1/audio/voices", (RequestDelegate)VoicesAsync);
        app.MapGet("/v1/emova/styles", (RequestDelegate)StylesAsync);
    }

    private static Task HealthAsync(HttpContext context)
    {
        EngineLoad load = Engine(context).Load;
        return context.Response.WriteAsJsonAsync(new HealthReport("ok", load.Running, load.Waiting), ServerJson.Default.HealthReport, cancellationToken: context.RequestAborted);
    }

    private static Task ListAsync(HttpContext context) =>
        context.Response.WriteAsJsonAsync(new ModelList("list", [Describe(Engine(context).Info)]), ServerJson.Default.ModelList, cancellationToken: context.RequestAborted);

    private static Task GetAsync(HttpContext context)
    {
        EngineInfo info = Engine(context).Info;
        string id = (string)context.Request.RouteValues["id"]!;
        if (id != info.ModelName)
            throw ApiException.UnknownModel(id, info.ModelName);
        return context.Response.WriteAsJsonAsync(Describe(info), ServerJson.Default.ModelEntry, cancellationToken: context.RequestAborted);
    }

    private static Task VoicesAsync(HttpContext context) => context.Response.WriteAsJsonAsync(
        new VoiceList(Engine(context).Info.Voices), ServerJson.Default.VoiceList, cancellationToken: context.RequestAborted);

    /// <summary>The vectors of the styles: the page draws a map of them.</summary>
    private static Task StylesAsync(HttpContext context)
    {
        StyleTable? table = context.RequestServices.GetRequiredService<Assistant>().Styles;
        StyleEntry[] styles = [.. (table?.Names ?? []).Select(name => new StyleEntry(name, Rounded(table!.Resolve(SpeechStyle.Parse(name)).StyleVector)))];
        return context.Response.WriteAsJsonAsync(new StyleList(styles), ServerJson.Default.StyleList, cancellationToken: context.RequestAborted);
    }

    /// <summary>Four decimals: nobody sees more on a map.</summary>
    private static double[] Rounded(float[] vector) => [.. vector.Select(value => Math.Round(value, 4))];

    private static ModelEntry Describe(EngineInfo info) => new(info.ModelName, "model", info.Created.ToUnixTimeSeconds(), "emova");

    private static IInferenceEngine Engine(HttpContext context) => context.RequestServices.GetRequiredService<IInferenceEngine>();
}
