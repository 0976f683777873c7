using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Emova.Server.Http;
using Emova.Server.Security;
using Emova.Tests;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>Who may call, how much, and from where.</summary>
public sealed class SecurityTests : IDisposable
{
    private readonly TemporaryFolder _work = new();

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    [InlineData("192.168.1.2")]
    public void A_public_address_needs_keys(string host)
    {
        EmovaException error = Assert.Throws<EmovaException>(() => ServerHost.Build(ServerFixture.Settings(new() { ["Host"] = host })));
        Assert.Contains("Emova:ApiKeyFile", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_are_asked_for_and_kept_only_as_hashes()
    {
        string key = ApiKeys.Create(_work["keys"], "ann"), other = ApiKeys.Create(_work["keys"], "bob");
        string file = await File.ReadAllTextAsync(_work["keys"]);
        Assert.DoesNotContain(key, file, StringComparison.Ordinal);
        Assert.Matches("^ann [0-9a-f]{64}\nbob [0-9a-f]{64}\n$", file);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_work["keys"]));

        await using ServerFixture server = new(new() { ["ApiKeyFile"] = _work["keys"] });
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/health", null));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/v1/models", key));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/v1/models", other));
        foreach (string? wrong in (string?[])[null, "", key + "0", key[..^1], "ann"])
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "/v1/models", wrong));
        using HttpResponseMessage refused = await server.Client.GetAsync(new Uri("/v1/models", UriKind.Relative));
        Assert.Equal("invalid_api_key", (await Chat.ErrorAsync(refused, HttpStatusCode.Unauthorized)).GetProperty("code").GetString());
        Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.ToString());
    }

    [Theory]
    [InlineData("ann notahash", "line 1 is not 'NAME SHA256'")]
    [InlineData("# only a comment", "has no keys")]
    public void A_damaged_key_file_stops_the_start(string content, string message)
    {
        File.WriteAllText(_work["keys"], content);
        Assert.Contains(message, Assert.Throws<EmovaException>(() => ApiKeys.Load(_work["keys"])).Message, StringComparison.Ordinal);
        Assert.Contains("no such key file", Assert.Throws<EmovaException>(() => ApiKeys.Load(_work["none"])).Message, StringComparison.Ordinal);
        Assert.Throws<EmovaException>(() => ApiKeys.Create(_work["keys"], "two words"));
    }

    [Fact]
    public async Task Pages_of_other_sites_are_kept_out()
    {
        await using ServerFixture server = new(new() { ["AllowedOrigins:0"] = "https://friend.example" });
        string own = server.Client.BaseAddress!.GetLeftPart(UriPartial.Authority);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/v1/models", null, ("Origin", own)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(server, "/v1/models", null, ("Origin", "https://evil.example")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(server, "/health", null, ("Origin", "null")));
        // A name of another site that points to this machine.
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(server, "/v1/models", null, ("Host", "evil.example")));

        using HttpRequestMessage preflight = new(HttpMethod.Options, "/v1/chat/completions");
        preflight.Headers.Add("Origin", "https://friend.example");
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        using HttpResponseMessage allowed = await server.Client.SendAsync(preflight);
        Assert.Equal(HttpStatusCode.NoContent, allowed.StatusCode);
        Assert.Equal("https://friend.example", allowed.Headers.GetValues("Access-Control-Allow-Origin").Single());
    }

    [Fact]
    public async Task Every_answer_has_the_security_headers()
    {
        await using ServerFixture server = new();
        foreach (string path in (string[])["/health", "/v1/models", "/nothing", "/docs"])
        {
            using HttpResponseMessage response = await server.Client.GetAsync(new Uri(path, UriKind.Relative));
            Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
            Assert.Equal("DENY", response.Headers.GetValues("X-Frame-Options").Single());
            Assert.Contains("default-src 'self'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
            Assert.False(response.Headers.Contains("Server"));
        }
    }

    [Fact]
    public async Task Requests_a_minute_are_limited()
    {
        await using ServerFixture server = new(new() { ["Limits:RequestsPerMinute"] = "3" });
        for (int i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/v1/models", null));
        using HttpResponseMessage refused = await server.Client.GetAsync(new Uri("/v1/models", UriKind.Relative));
        Assert.Equal("rate_limit_exceeded", (await Chat.ErrorAsync(refused, HttpStatusCode.TooManyRequests)).GetProperty("code").GetString());
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 20);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/health", null));
    }

    [Fact]
    public async Task Seconds_of_audio_a_minute_are_limited()
    {
        await using ServerFixture server = new(new() { ["Limits:AudioSecondsPerMinute"] = "2" });
        await server.Client.OkAsync(Chat.Request(Chat.User(Chat.Audio(Chat.Wav(1.5)))));
        Assert.Equal("rate_limit_exceeded", (await server.Client.RefusedAsync(Chat.Request(Chat.User(Chat.Audio(Chat.Wav(1.5)))), HttpStatusCode.TooManyRequests)).GetProperty("code").GetString());
        await server.Client.OkAsync(Chat.Typed());
    }

    [Fact]
    public void Requests_at_the_same_time_are_limited()
    {
        Caller caller = new("ann", new LimitOptions { ConcurrentRequests = 2 }, TimeProvider.System);
        using IDisposable first = caller.Enter();
        IDisposable second = caller.Enter();
        Assert.Equal(429, Assert.Throws<ApiException>(caller.Enter).Status);
        second.Dispose();
        second.Dispose();
        using IDisposable third = caller.Enter();
        Assert.Equal(2, caller.Running);
    }

    [Fact]
    public void A_budget_comes_back_evenly_and_debts_are_kept()
    {
        ManualTime time = new();
        Budget budget = new(60, time);
        Assert.Equal(TimeSpan.Zero, budget.TryTake(60));
        Assert.Equal(10, budget.TryTake(10).TotalSeconds, 0.001);
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.Zero, budget.TryTake(10));
        budget.Charge(30);
        time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(11, budget.TryTake(1).TotalSeconds, 0.001);
        Assert.Equal(TimeSpan.Zero, new Budget(0, time).TryTake(1e9));
    }

    [Theory]
    [InlineData("127.0.0.1", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.20.0.1", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00::1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("2002:a00:1::", false)]
    [InlineData("93.184.216.34", true)]
    [InlineData("2606:2800:220:1::1", true)]
    public void Own_networks_are_never_fetched_from(string address, bool isPublic) => Assert.Equal(isPublic, RemoteMedia.IsPublic(IPAddress.Parse(address)));

    [Fact]
    public async Task Only_allowed_hosts_are_fetched_from()
    {
        ServerOptions options = new() { AllowedRemoteHosts = ["pictures.example"], Limits = new LimitOptions { MaxBodyBytes = 2000 } };
        FakeWeb web = new();
        using RemoteMedia media = new(options, web);
        Assert.Equal("picture"u8.ToArray(), await media.FetchAsync("https://pictures.example/a.png", "url", default));
        foreach (string url in (string[])["https://other.example/a.png", "http://pictures.example/a.png", "https://me:me@pictures.example/a", "ftp://pictures.example/a", "nonsense"])
            Assert.Equal("url", (await Assert.ThrowsAsync<ApiException>(() => media.FetchAsync(url, "url", default))).Error.Error.Param);
        foreach (string path in (string[])["redirect", "large", "missing"])
            Assert.Equal("fetch_failed", (await Assert.ThrowsAsync<ApiException>(() => media.FetchAsync($"https://pictures.example/{path}", "url", default))).Error.Error.Code);
        Assert.Equal(["/a.png", "/redirect", "/large", "/missing"], web.Paths);
        // A host that is allowed but means this machine is found out where the connection is made.
        using RemoteMedia real = new(new ServerOptions { AllowedRemoteHosts = ["localhost"] });
        Assert.Equal("fetch_failed", (await Assert.ThrowsAsync<ApiException>(() => real.FetchAsync("https://localhost/a", "url", default))).Error.Error.Code);
    }

    private static async Task<HttpStatusCode> StatusAsync(ServerFixture server, string path, string? key, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        foreach ((string name, string value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using HttpResponseMessage response = await server.Client.SendAsync(request);
        return response.StatusCode;
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }

    private sealed class FakeWeb : HttpMessageHandler
    {
        public List<string> Paths { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Paths.Add(request.RequestUri!.AbsolutePath);
            HttpResponseMessage response = new(request.RequestUri.AbsolutePath switch
            {
                "/redirect" => HttpStatusCode.Found,
                "/missing" => HttpStatusCode.NotFound,
                _ => HttpStatusCode.OK,
            })
            {
                Content = new ByteArrayContent(request.RequestUri.AbsolutePath == "/large" ? new byte[3000] : "picture"u8.ToArray()),
            };
            return Task.FromResult(response);
        }
    }
}
