using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Emova.Tests.Hub;

/// <summary>
/// A hub on this machine: one repository, small files from the hub itself, large ones by redirect from a second address, with ranges,
/// and with the failures a test asks for.
/// </summary>
internal sealed partial class LocalHub : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly HttpListener hub = new(), store = new();
    private readonly Dictionary<string, (byte[] Content, bool IsLarge)> files = [];
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Fault>> faults = new();

    public LocalHub(string repository = "owner/model")
    {
        Repository = repository;
        Endpoint = Start(hub);
        StoreEndpoint = Start(store);
        _ = ServeAsync(hub, AnswerHub);
        _ = ServeAsync(store, AnswerStore);
    }

    /// <summary>What goes wrong with one answer.</summary>
    /// <param name="Status">Answers this status instead.</param>
    /// <param name="CutAfter">Breaks the connection after so many bytes of content.</param>
    /// <param name="Corrupt">Changes the first byte.</param>
    /// <param name="IgnoreRange">Sends everything whatever was asked.</param>
    /// <param name="RetryAfter">Seconds the client shall wait.</param>
    public sealed record Fault(int Status = 0, int CutAfter = -1, bool Corrupt = false, bool IgnoreRange = false, int? RetryAfter = null);

    public string Repository { get; }

    public Uri Endpoint { get; }

    public Uri StoreEndpoint { get; }

    public string? RequiredToken { get; set; }

    /// <summary>Requests as <c>path [range]</c>, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>Tokens seen by the store, which must see none.</summary>
    public ConcurrentQueue<string> StoreTokens { get; } = new();

    /// <summary>Replaces the list of files.</summary>
    public string? Listing { get; set; }

    public void Add(string path, byte[] content, bool isLarge = false) => files[path] = (content, isLarge);

    public void Fail(string path, params Fault[] next)
    {
        ConcurrentQueue<Fault> queue = faults.GetOrAdd(path, _ => new());
        foreach (Fault fault in next)
            queue.Enqueue(fault);
    }

#pragma warning disable CA5350 // the hub names small files as git does
    public static string HashOf(byte[] content, bool isLarge) => Convert.ToHexStringLower(
        isLarge ? SHA256.HashData(content) : SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
#pragma warning restore CA5350

    public void Dispose()
    {
        hub.Close();
        store.Close();
    }

    private static Uri Start(HttpListener listener)
    {
        // The listener cannot choose a free port itself.
        for (int attempt = 0; ; attempt++)
        {
            string address = $"http://localhost:{Random.Shared.Next(20000, 60000)}/";
            listener.Prefixes.Clear();
            listener.Prefixes.Add(address);
            try
            {
                listener.Start();
                return new Uri(address);
            }
            catch (HttpListenerException) when (attempt < 50)
            {
            }
        }
    }

    private static async Task ServeAsync(HttpListener listener, Action<HttpListenerContext> answer)
    {
        while (listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            _ = Task.Run(() =>
            {
                try
                {
                    answer(context);
                    context.Response.Close();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
                {
                    context.Response.Abort();
                }
            });
        }
    }

    private void AnswerHub(HttpListenerContext context)
    {
        string path = context.Request.Url!.AbsolutePath;
        Requests.Enqueue($"{path} {context.Request.Headers["Range"]}".Trim());
        Match resolve = ResolvePath().Match(path);
        bool isList = path.StartsWith($"/api/models/{Repository}/revision/", StringComparison.Ordinal);
        if (Next(isList ? "list" : "") is { } fault && Refuse(context, fault))
            return;
        if (RequiredToken is { } token && context.Request.Headers["Authorization"] != $"Bearer {token}")
            context.Response.StatusCode = context.Request.Headers["Authorization"] is null ? 401 : 403;
        else if (isList && path.Split('/')[^1] is "main" or "v1" or Commit)
            context.Response.OutputStream.Write(Encoding.UTF8.GetBytes(Listing ?? FileList()));
        else if (isList)
            Refuse(context, new Fault(404), "RevisionNotFound");
        else if (!resolve.Success || resolve.Groups[1].Value != Repository || !files.TryGetValue(Uri.UnescapeDataString(resolve.Groups[2].Value), out var file))
            context.Response.StatusCode = 404;
        else if (file.IsLarge)
            context.Response.Redirect($"{StoreEndpoint}{resolve.Groups[2].Value}");
        else
            Send(context, Uri.UnescapeDataString(resolve.Groups[2].Value), file.Content);
    }

    private void AnswerStore(HttpListenerContext context)
    {
        string path = Uri.UnescapeDataString(context.Request.Url!.AbsolutePath[1..]);
        Requests.Enqueue($"store/{path} {context.Request.Headers["Range"]}".Trim());
        if (context.Request.Headers["Authorization"] is { } token)
            StoreTokens.Enqueue(token);
        Send(context, path, files[path].Content);
    }

    private void Send(HttpListenerContext context, string path, byte[] content)
    {
        Fault fault = Next(path) ?? new Fault();
        if (Refuse(context, fault))
            return;
        Match range = Regex.Match(context.Request.Headers["Range"] ?? "", @"^bytes=(\d+)-$");
        int from = range.Success && !fault.IgnoreRange ? int.Parse(range.Groups[1].Value) : 0;
        if (from > 0)
        {
            context.Response.StatusCode = 206;
            context.Response.Headers["Content-Range"] = $"bytes {from}-{content.Length - 1}/{content.Length}";
        }

        byte[] part = content[from..];
        if (fault.Corrupt)
            part[0] ^= 1;
        context.Response.ContentLength64 = part.Length;
        context.Response.OutputStream.Write(part, 0, fault.CutAfter < 0 ? part.Length : Math.Min(fault.CutAfter, part.Length));
        context.Response.OutputStream.Flush();
        if (fault.CutAfter >= 0)
            context.Response.Abort();
    }

    private static bool Refuse(HttpListenerContext context, Fault fault, string? code = null)
    {
        if (fault.Status == 0)
            return false;
        context.Response.StatusCode = fault.Status;
        if (fault.RetryAfter is { } seconds)
            context.Response.Headers["Retry-After"] = $"{seconds}";
        if (code is not null)
            context.Response.Headers["X-Error-Code"] = code;
        return true;
    }

    private Fault? Next(string path) => faults.TryGetValue(path, out ConcurrentQueue<Fault>? queue) && queue.TryDequeue(out Fault? fault) ? fault : null;

    private string FileList() => new JsonObject
    {
        ["sha"] = Commit,
        ["siblings"] = new JsonArray([.. files.Select(file =>
        {
            JsonObject entry = new() { ["rfilename"] = file.Key, ["blobId"] = HashOf(file.Value.Content, false), ["size"] = file.Value.Content.Length };
            if (file.Value.IsLarge)
                entry["lfs"] = new JsonObject { ["sha256"] = HashOf(file.Value.Content, true), ["size"] = file.Value.Content.Length, ["pointerSize"] = 134 };
            return (JsonNode)entry;
        })]),
    }.ToJsonString();

    [GeneratedRegex($"^/([^/]+/[^/]+)/resolve/{Commit}/(.+)$")]
    private static partial Regex ResolvePath();
}
