using System.Net;
using System.Text.Json;
using Emova.Tests;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>What happens before and around the first request: settings, health, the list of models, unknown addresses.</summary>
public sealed class StartTests(ServerFixture server) : IClassFixture<ServerFixture>
{
    [Theory]
    [InlineData("Port", "70000", "Emova:Port is 70000, allowed is 0 to 65535")]
    [InlineData("Host", "example.org", "Emova:Host is 'example.org', allowed is an IP address or localhost")]
    [InlineData("Engine:Slots", "0", "Emova:Engine:Slots is 0, allowed is 1 to 256")]
    [InlineData("Limits:MaxAudioSeconds", "0", "Emova:Limits:MaxAudioSeconds is 0, allowed is 1 to 3600")]
    [InlineData("Limits:MaxBodyBytes", "10", "Emova:Limits:MaxBodyBytes is 10, allowed is 1024 to 1073741824")]
    [InlineData("AllowedOrigins:0", "example.org", "Emova:AllowedOrigins has 'example.org'")]
    [InlineData("Realtime:MaxSessionBytes", "10", "Emova:Realtime:MaxSessionBytes is 10, allowed is 1048576 to 68719476736")]
    [InlineData("Realtime:PingSeconds", "0", "Emova:Realtime:PingSeconds is 0, allowed is 1 to 3600")]
    [InlineData("Telemetry:Protocol", "udp", "Emova:Telemetry:Protocol is 'udp', allowed are grpc and http")]
    [InlineData("Telemetry:OtlpEndpoint", "collector", "Emova:Telemetry:OtlpEndpoint is 'collector'")]
    [InlineData("Prot", "80", "Prot")]
    [InlineData("Engine:Slotz", "3", "Slotz")]
    [InlineData("Port", "many", "Emova:Port")]
    public void A_wrong_setting_stops_the_start_and_is_named(string key, string value, string message)
    {
        EmovaException error = Assert.Throws<EmovaException>(() => ServerHost.Build(ServerFixture.Settings(new() { [key] = value })));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_settings_file_is_read_and_the_caller_wins()
    {
        using TemporaryFolder work = new();
        File.WriteAllText(work["server.json"], """{"Emova": {"Engine": {"Slots": 999}, "Port": 1}}""");
        EmovaException error = Assert.Throws<EmovaException>(() => ServerHost.Build(ServerFixture.Settings(), work["server.json"]));
        Assert.Equal("Emova:Engine:Slots is 999, allowed is 1 to 256", error.Message);
        Assert.Contains("no such configuration file", Assert.Throws<EmovaException>(() => ServerHost.Build(ServerFixture.Settings(), work["other.json"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_model_stops_the_start()
    {
        EmovaException error = Assert.Throws<EmovaException>(() => ServerHost.Build([new("Emova:Model", "/nowhere")]));
        Assert.Contains("/nowhere", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_tells_how_busy_the_engine_is()
    {
        JsonElement health = await Json("/health");
        Assert.Equal("ok", health.GetProperty("status").GetString());
        Assert.Equal(0, health.GetProperty("waiting").GetInt32());
    }

    [Fact]
    public async Task The_model_is_listed_under_its_name()
    {
        JsonElement entry = (await Json("/v1/models")).GetProperty("data").EnumerateArray().Single();
        Assert.Equal("emova-test", entry.GetProperty("id").GetString());
        Assert.Equal("model", entry.GetProperty("object").GetString());
        Assert.True(entry.GetProperty("created").GetInt64() > 0);
        Assert.Equal(entry.GetRawText(), (await Json("/v1/models/emova-test")).GetRawText());
        Assert.Equal("model_not_found", await ErrorCode(HttpMethod.Get, "/v1/models/other", HttpStatusCode.NotFound));
    }

    [Fact]
    public async Task Voices_are_the_model_s_styles() =>
        Assert.Contains("female-happy-high", (await Json("/v1/audio/voices")).GetProperty("voices").EnumerateArray().Select(voice => voice.GetString()));

    [Fact]
    public async Task Unknown_addresses_and_methods_get_the_protocol_s_error_object()
    {
        Assert.Equal("unknown_url", await ErrorCode(HttpMethod.Get, "/v1/nothing", HttpStatusCode.NotFound));
        Assert.Equal("unknown_url", await ErrorCode(HttpMethod.Delete, "/v1/models", HttpStatusCode.MethodNotAllowed));
    }

    private async Task<JsonElement> Json(string path) => JsonDocument.Parse(await server.Client.GetStringAsync(new Uri(path, UriKind.Relative))).RootElement;

    private async Task<string?> ErrorCode(HttpMethod method, string path, HttpStatusCode status)
    {
        using HttpRequestMessage request = new(method, path);
        using HttpResponseMessage response = await server.Client.SendAsync(request);
        Assert.Equal(status, response.StatusCode);
        JsonElement error = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(field => field.Name));
        return error.GetProperty("code").GetString();
    }
}
