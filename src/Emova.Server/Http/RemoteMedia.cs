using System.Net;
using System.Net.Sockets;

namespace Emova.Server.Http;

/// <summary>
/// Fetches what a request only names. Off unless hosts are allowed (<see cref="ServerOptions.AllowedRemoteHosts"/>); then https only,
/// no redirects, no addresses of the own machine or network, and never more bytes than a request may have.
/// </summary>
internal sealed class RemoteMedia : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly ServerOptions _options;
    private readonly HttpClient _client;

    public RemoteMedia(ServerOptions options) : this(options, new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, UseCookies = false, ConnectCallback = ConnectAsync })
    {
    }

    internal RemoteMedia(ServerOptions options, HttpMessageHandler handler)
    {
        _options = options;
        _client = new HttpClient(handler) { Timeout = Limit, MaxResponseContentBufferSize = options.Limits.MaxBodyBytes };
    }

    public async Task<byte[]> FetchAsync(string url, string param, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme != Uri.UriSchemeHttps || address.UserInfo.Length > 0)
            throw ApiException.Unsupported(param, $"'{param}' must be a base64 data URI (data:TYPE;base64,...).");
        if (!_options.AllowedRemoteHosts.Contains(address.Host, StringComparer.OrdinalIgnoreCase))
            throw ApiException.Unsupported(param, $"'{param}' names a host that this server may not fetch from; send a base64 data URI.");
        try
        {
            using HttpResponseMessage response = await _client.GetAsync(address, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
                throw ApiException.Invalid(param, $"'{param}' could not be fetched: status {(int)response.StatusCode}.", "fetch_failed");
            return await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw ApiException.Invalid(param, $"'{param}' could not be fetched.", "fetch_failed");
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Whether an address belongs to the public network.</summary>
    internal static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        byte[] bytes = address.GetAddressBytes();
        return address.AddressFamily == AddressFamily.InterNetwork
            ? bytes[0] is not (0 or 10 or 127 or >= 224) && (bytes[0], bytes[1]) is not ((169, 254) or (192, 168) or (192, 0) or (198, 18) or (198, 19))
                && !(bytes[0] == 172 && bytes[1] is >= 16 and < 32) && !(bytes[0] == 100 && bytes[1] is >= 64 and < 128)
            : !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal && !address.IsIPv6SiteLocal && !address.IsIPv6Multicast && !address.IsIPv6UniqueLocal
                && !address.Equals(IPAddress.IPv6None) && !(bytes[0] == 0 && bytes[1] == 0x64) && !(bytes[0] == 0x20 && bytes[1] == 0x02);
    }

    /// <summary>The address is checked where the connection is made, so a name cannot resolve to another one in between.</summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        IPAddress[] found = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken).ConfigureAwait(false);
        IPAddress address = found.FirstOrDefault(IsPublic) ?? throw new HttpRequestException("no public address");
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(address, context.DnsEndPoint.Port), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
