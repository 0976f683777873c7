using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Emova.Server.Operations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Emova.Server.Tests;

/// <summary>Measurements, the description of the protocol, and the end of the server.</summary>
public sealed partial class OperationsTests
{
    [Fact]
    public async Task Metrics_count_replies_and_are_well_formed()
    {
        await using ServerFixture server = new();
        await server.Client.OkAsync(Chat.Typed("""{"max_completion_tokens": 200, "modalities": ["text", "audio"], "audio": {"voice": "male", "format": "wav"}}"""));
        await server.Client.RefusedAsync(Chat.Typed("""{"n": 2}"""));
        string text = await server.Client.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        Assert.All(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches(Line(), line));
        Assert.Equal(1, Value(text, "emova_reply_first_audio_seconds_count"));
        Assert.Equal(1, Value(text, "emova_reply_real_time_factor_bucket{le=\"+Inf\"}"));
        Assert.True(Value(text, "emova_tokens_text_total") > 0 && Value(text, "emova_tokens_audio_total") > 0 && Value(text, "emova_tokens_prompt_total") > 0);
        Assert.True(Value(text, "emova_step_time_seconds_count") > 0);
        Assert.Equal(0, Value(text, "emova_queue_length"));
        Assert.Contains("http_server_request_duration_seconds_bucket", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replies_are_traced()
    {
        System.Collections.Concurrent.ConcurrentQueue<System.Diagnostics.Activity> traces = [];
        using System.Diagnostics.ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == ServerMetrics.Name,
            Sample = (ref System.Diagnostics.ActivityCreationOptions<System.Diagnostics.ActivityContext> _) => System.Diagnostics.ActivitySamplingResult.AllData,
            ActivityStopped = traces.Enqueue,
        };
        System.Diagnostics.ActivitySource.AddActivityListener(listener);
        await using ServerFixture server = new();
        await server.Client.OkAsync(Chat.Typed("""{"max_completion_tokens": 7}"""));
        // Other tests run beside this one: one of the traces is this test's.
        Assert.Contains(traces, trace => trace.OperationName == "emova.reply" && Equals(trace.GetTagItem("emova.tokens.text"), 7) && Equals(trace.GetTagItem("emova.tokens.audio"), 0));
    }

    /// <summary>A collector on this machine gets the trace of a reply and the measurements, by Protobuf over HTTP.</summary>
    [Fact]
    public async Task Traces_and_measurements_are_exported()
    {
        System.Collections.Concurrent.ConcurrentDictionary<string, string> received = [];
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using WebApplication collector = builder.Build();
        collector.MapPost("/v1/{kind}", (RequestDelegate)(async context =>
        {
            using StreamReader reader = new(context.Request.Body, System.Text.Encoding.Latin1);
            string body = await reader.ReadToEndAsync();
            received.AddOrUpdate((string)context.Request.RouteValues["kind"]!, body, (_, earlier) => earlier + body);
        }));
        await collector.StartAsync(TestContext.Current.CancellationToken);
        await using (ServerFixture server = new(new() { ["Telemetry:OtlpEndpoint"] = collector.Urls.Single(), ["Telemetry:Protocol"] = "http", ["Telemetry:MetricsSeconds"] = "1" }))
        {
            await server.Client.OkAsync(Chat.Typed());
            for (int i = 0; i < 600 && !(Has("traces", "emova.reply") && Has("metrics", "emova.tokens.text")); i++)
                await Task.Delay(100, TestContext.Current.CancellationToken);
        }

        Assert.True(Has("traces", "emova.reply") && Has("traces", "emova.tokens.text") && Has("traces", "service.name"));
        Assert.True(Has("metrics", "emova.tokens.text") && Has("metrics", "http.server.request.duration"));
        Assert.DoesNotContain("what is the cat", string.Concat(received.Values), StringComparison.Ordinal);

        bool Has(string kind, string text) => received.TryGetValue(kind, out string? body) && body.Contains(text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_protocol_is_described_by_the_types_that_implement_it()
    {
        await using ServerFixture server = new();
        JsonElement document = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri("/openapi.json", UriKind.Relative))).RootElement;
        Assert.Equal("3.1.0", document.GetProperty("openapi").GetString());
        JsonElement schemas = document.GetProperty("components").GetProperty("schemas");
        Assert.True(schemas.GetProperty("ChatRequest").GetProperty("properties").TryGetProperty("max_completion_tokens", out _));
        foreach (Match reference in Reference().Matches(document.GetRawText()))
            Assert.True(schemas.TryGetProperty(reference.Groups[1].Value, out _), reference.Value);
        // What is described exists: no path is unknown.
        foreach (JsonProperty path in document.GetProperty("paths").EnumerateObject())
        {
            using HttpRequestMessage request = new(new HttpMethod(path.Value.EnumerateObject().Single().Name.ToUpperInvariant()), path.Name);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.False(response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed, path.Name);
        }

        string page = await server.Client.GetStringAsync(new Uri("/docs", UriKind.Relative));
        Assert.Contains("POST /v1/chat/completions", page, StringComparison.Ordinal);
        Assert.Contains("max_completion_tokens", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_running_reply_is_finished_when_the_server_is_asked_to_stop()
    {
        await using ServerFixture server = new(new() { ["DrainSeconds"] = "60" });
        using HttpRequestMessage request = new(HttpMethod.Post, Chat.Path)
        {
            Content = new StringContent(Chat.Typed("""{"stream": true}""").ToJsonString(), System.Text.Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Task stopped = server.StopAsync();
        string text = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        await stopped;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.GetAsync(new Uri("/health", UriKind.Relative)));
    }

    [Fact]
    public async Task Logs_tell_what_was_asked_for_but_nothing_of_its_content()
    {
        LogCollector logs = new();
        await using ServerFixture server = new([], builder => builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Debug));
        await server.Client.OkAsync(Chat.Request(new System.Text.Json.Nodes.JsonObject { ["role"] = "user", ["content"] = "xylophone" }));
        await server.Client.RefusedAsync(Chat.Typed("""{"messages": [{"role": "user", "content": [{"type": "xylophone"}]}]}"""));
        using HttpResponseMessage broken = await server.Client.PostAsync(new Uri(Chat.Path + "?q=xylophone", UriKind.Relative), new StringContent("{xylophone", System.Net.Http.Headers.MediaTypeHeaderValue.Parse("application/json")));
        Assert.Contains(logs.Lines, line => line.StartsWith("POST /v1/chat/completions 200 in", StringComparison.Ordinal));
        Assert.Equal(2, logs.Lines.Count(line => line.StartsWith("POST /v1/chat/completions 400 in", StringComparison.Ordinal)));
        Assert.DoesNotContain(logs.Lines, line => line.Contains("xylophone", StringComparison.Ordinal));
    }

    private sealed class LogCollector : ILoggerProvider, ILogger
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = [];

        public IReadOnlyCollection<string> Lines => _lines;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Debug;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Enqueue(formatter(state, exception) + exception);

        public void Dispose()
        {
        }
    }

    private static double Value(string text, string series) =>
        double.Parse(text.Split('\n').Single(line => line.StartsWith(series + " ", StringComparison.Ordinal))[(series.Length + 1)..], System.Globalization.CultureInfo.InvariantCulture);

    [GeneratedRegex("""^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9eE.+-]+)$""")]
    private static partial Regex Line();

    [GeneratedRegex("#/components/schemas/([A-Za-z]+)")]
    private static partial Regex Reference();
}
