using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Emova.Hub;

/// <summary>A failure that may pass: the connection, the load of the server.</summary>
internal sealed class HubUnavailableException(string message, TimeSpan? retryAfter = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How long the server asks to wait.</summary>
    public TimeSpan? RetryAfter => retryAfter;
}

/// <summary>
/// The hub's HTTP interface: the list of files of a revision, and their content from any byte on. It follows redirects itself, so that
/// the token goes to the hub and nowhere else; large files come from other hosts.
/// </summary>
internal sealed partial class HubClient(HubOptions options) : IDisposable
{
    private const int MaxRedirects = 10;
    private const int MaxListBytes = 64 << 20;

    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = options.StallTimeout })
    {
        Timeout = Timeout.InfiniteTimeSpan,
        DefaultRequestHeaders = { UserAgent = { new ProductInfoHeaderValue("emova", typeof(HubClient).Assembly.GetName().Version?.ToString(3)) } },
    };

    public void Dispose() => http.Dispose();

    /// <summary>The files of a revision, with sizes and hashes.</summary>
    public async Task<HubListing> ListAsync(HubRepository repository, CancellationToken cancellationToken)
    {
        Uri address = new($"{Base}/api/models/{repository.Name}/revision/{Uri.EscapeDataString(repository.Revision)}?blobs=true");
        using HttpResponseMessage response = await SendAsync(address, 0, repository, cancellationToken).ConfigureAwait(false);
        using MemoryStream body = new();
        await foreach (ReadOnlyMemory<byte> part in ReadAsync(response, cancellationToken).ConfigureAwait(false))
        {
            if (body.Length + part.Length > MaxListBytes)
                throw new EmovaException($"{repository}: the hub's list of files is larger than {MaxListBytes >> 20} MiB");
            body.Write(part.Span);
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
            return ReadListing(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new EmovaException($"{repository}: the hub's answer is not a list of files: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>The content of a file.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="commit">The commit.</param>
    /// <param name="file">The file.</param>
    /// <param name="from">First byte wanted.</param>
    /// <param name="onStart">Called with the byte the server begins with: <paramref name="from"/>, or 0 when it cannot do so.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> DownloadAsync(
        HubRepository repository, string commit, HubFile file, long from, Action<long> onStart,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string path = string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString));
        Uri address = new($"{Base}/{repository.Name}/resolve/{commit}/{path}");
        using HttpResponseMessage response = await SendAsync(address, from, repository, cancellationToken).ConfigureAwait(false);
        bool isPart = response.StatusCode == HttpStatusCode.PartialContent;
        if (isPart && response.Content.Headers.ContentRange?.From != from)
            throw new HubUnavailableException($"{file.Path}: asked for bytes from {from} on, the server sends {response.Content.Headers.ContentRange}");
        onStart(isPart ? from : 0);
        await foreach (ReadOnlyMemory<byte> part in ReadAsync(response, cancellationToken).ConfigureAwait(false))
            yield return part;
    }

    private string Base => options.Endpoint.AbsoluteUri.TrimEnd('/');

    private async Task<HttpResponseMessage> SendAsync(Uri address, long from, HubRepository repository, CancellationToken cancellationToken)
    {
        for (int redirects = 0; redirects <= MaxRedirects; redirects++)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, address);
            bool isHub = address.Scheme == options.Endpoint.Scheme && address.Authority == options.Endpoint.Authority;
            if (isHub && options.Token is { } token)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            if (from > 0)
                request.Headers.Range = new RangeHeaderValue(from, null);
            HttpResponseMessage response = await GuardAsync(
                address, stop => http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop), cancellationToken).ConfigureAwait(false);
            if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent)
                return response;
            using (response)
            {
                if ((int)response.StatusCode is < 300 or >= 400 || response.Headers.Location is not { } location)
                    throw Error(response, address, repository);
                Uri next = new(address, location);
                if (next.Scheme != "https" && next.Scheme != address.Scheme)
                    throw new EmovaException($"{address}: redirects to {next.Scheme}, which is not safe");
                address = next;
            }
        }

        throw new EmovaException($"{address}: more than {MaxRedirects} redirects");
    }

    private Exception Error(HttpResponseMessage response, Uri address, HubRepository repository)
    {
        string? code = response.Headers.TryGetValues("X-Error-Code", out IEnumerable<string>? codes) ? codes.First() : null;
        int status = (int)response.StatusCode;
        string token = options.Token is null ? "set HF_TOKEN to an access token" : "HF_TOKEN was sent, but has no access";
        return status switch
        {
            408 or 429 or >= 500 => new HubUnavailableException($"{address.Host} answers {status} {response.ReasonPhrase}", WaitTime(response)),
            416 => new HubUnavailableException($"{address.Host} has no such range"),
            404 => new EmovaException($"{repository}: {(code == "RevisionNotFound" ? "no such revision" : "no such repository, revision or file")} at {options.Endpoint}"),
            401 => new EmovaException($"{repository}: does not exist, or is not public: {token}"),
            403 => new EmovaException($"{repository}: access is refused{(code == "GatedRepo" ? " until its terms are accepted on its page" : "")}: {token}"),
            _ => new EmovaException($"{repository}: {address.Host} answers {status} {response.ReasonPhrase}"),
        };
    }

    private static TimeSpan? WaitTime(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - DateTimeOffset.UtcNow,
        _ => null,
    };

    private async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        HttpResponseMessage response, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Uri address = response.RequestMessage!.RequestUri!;
        byte[] buffer = new byte[1 << 17];
        Stream stream = await GuardAsync(address, response.Content.ReadAsStreamAsync, cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            while (true)
            {
                int read = await GuardAsync(address, async stop => await stream.ReadAsync(buffer, stop).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                if (read == 0)
                    yield break;
                yield return buffer.AsMemory(0, read);
            }
        }
    }

    /// <summary>One step of a connection: its failures, and taking too long, become <see cref="HubUnavailableException"/>.</summary>
    private async Task<T> GuardAsync<T>(Uri address, Func<CancellationToken, Task<T>> step, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stall = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stall.CancelAfter(options.StallTimeout);
        try
        {
            return await step(stall.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HubUnavailableException($"{address.Host} sent nothing for {options.StallTimeout.TotalSeconds:0} seconds", inner: e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new HubUnavailableException($"{address.Host}: {e.Message.ReplaceLineEndings(" ")}", inner: e);
        }
    }

    /// <summary>Nothing in the list is trusted: hashes and paths become file names.</summary>
    private static HubListing ReadListing(JsonElement root)
    {
        string commit = root.GetProperty("sha").GetString() ?? "";
        if (!Hexadecimal().IsMatch(commit) || commit.Length != 40)
            throw new FormatException("its commit is not 40 hexadecimal digits");
        List<HubFile> files = [];
        foreach (JsonElement entry in root.GetProperty("siblings").EnumerateArray())
        {
            string path = entry.GetProperty("rfilename").GetString() ?? "";
            bool isLarge = entry.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object;
            string hash = (isLarge ? lfs.GetProperty("sha256") : entry.GetProperty("blobId")).GetString() ?? "";
            long size = (isLarge ? lfs : entry).GetProperty("size").GetInt64();
            if (path.Split('/').Any(part => part is "" or "." or ".." || part.Any(c => char.IsControl(c) || c is '\\' or ':')))
                throw new FormatException("it has a path that leads out of the repository or is no file name");
            if (!Hexadecimal().IsMatch(hash) || hash.Length != (isLarge ? 64 : 40) || size < 0)
                throw new FormatException($"{path} has no usable hash or size");
            files.Add(new HubFile(path, size, hash));
        }

        return new HubListing(commit, files);
    }

    [GeneratedRegex(@"^[0-9a-f]+\z")]
    private static partial Regex Hexadecimal();
}
