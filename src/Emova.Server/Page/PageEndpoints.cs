using System.Collections.Frozen;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Emova.Server.Page;

/// <summary>The web page: the files of <c>wwwroot</c>, which are part of the assembly.</summary>
internal static class PageEndpoints
{
    private const string Prefix = "page/", Index = "index.html";

    private static readonly FrozenDictionary<string, string> ContentTypes = new Dictionary<string, string>
    {
        [".html"] = "text/html; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".svg"] = "image/svg+xml",
    }.ToFrozenDictionary();

    public static void Map(IEndpointRouteBuilder app)
    {
        foreach (PageFile file in ReadFiles())
        {
            RequestDelegate serve = context => ServeAsync(context, file);
            app.MapMethods($"/{file.Name}", [HttpMethods.Get, HttpMethods.Head], serve);
            if (file.Name == Index)
                app.MapMethods("/", [HttpMethods.Get, HttpMethods.Head], serve);
        }
    }

    private static Task ServeAsync(HttpContext context, PageFile file)
    {
        context.Response.Headers.ETag = file.Tag;
        // The files keep their names from version to version: a browser asks each time, and mostly hears that nothing changed.
        context.Response.Headers.CacheControl = "no-cache";
        if (EntityTagHeaderValue.TryParseList(context.Request.Headers.IfNoneMatch, out IList<EntityTagHeaderValue>? known)
            && known.Any(tag => tag.Compare(EntityTagHeaderValue.Parse(file.Tag), useStrongComparison: false)))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        context.Response.ContentType = file.ContentType;
        context.Response.ContentLength = file.Bytes.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(file.Bytes, context.RequestAborted).AsTask();
    }

    private static IEnumerable<PageFile> ReadFiles()
    {
        Assembly assembly = typeof(PageEndpoints).Assembly;
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            string name = resource[Prefix.Length..];
            yield return new PageFile(name, ContentTypes[Path.GetExtension(name)], $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..16]}\"", bytes);
        }
    }

    /// <param name="Name">Path below the root.</param>
    /// <param name="ContentType">By its extension.</param>
    /// <param name="Tag">Changes with the content.</param>
    /// <param name="Bytes">The content.</param>
    private sealed record PageFile(string Name, string ContentType, string Tag, byte[] Bytes);
}
