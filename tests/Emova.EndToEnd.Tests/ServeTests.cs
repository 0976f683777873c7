using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Emova.Media;
using Emova.Tests;
using Xunit;

namespace Emova.EndToEnd.Tests;

/// <summary>`emova serve` as a process of its own: the requests that docs/serving.md and the README show work against the shipped model, and it ends when asked to.</summary>
public sealed partial class ServeTests : IDisposable
{
    private readonly TemporaryFolder _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task The_documented_requests_work_and_a_signal_ends_the_server()
    {
        using EmovaProcess server = EmovaProcess.Start(_work.Folder, "serve", "--port", "0", "--model", Path.Combine(Repository.Root, "models", "emova-tiny"));
        using HttpClient client = new() { BaseAddress = new Uri(await AddressAsync(server)) };
        string page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "serving.md")), readme = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md"));
        List<Match> requests = [.. Request().Matches(page + readme).Cast<Match>()];
        Assert.Equal(["/v1/chat/completions", "/v1/audio/speech", "/v1/audio/speech"], requests.Select(request => request.Groups["path"].Value));
        foreach (Match request in requests)
        {
            using StringContent body = new(request.Groups["body"].Value, MediaTypeHeaderValue.Parse("application/json"));
            using HttpResponseMessage response = await client.PostAsync(new Uri(request.Groups["path"].Value, UriKind.Relative), body);
            byte[] answer = await response.Content.ReadAsByteArrayAsync();
            Assert.True(response.IsSuccessStatusCode, System.Text.Encoding.UTF8.GetString(answer));
            if (request.Groups["path"].Value == "/v1/audio/speech")
                await File.WriteAllBytesAsync(_work["speech.wav"], answer);
        }

        Assert.InRange(WavFile.Read(_work["speech.wav"]).Duration.TotalSeconds, 0.3, 30);
        Assert.Contains("-F model=emova-tiny -F file=@speech.wav", page, StringComparison.Ordinal);
        using MultipartFormDataContent form = new() { { new StringContent("emova-tiny"), "model" }, { new ByteArrayContent(await File.ReadAllBytesAsync(_work["speech.wav"])), "file", "speech.wav" } };
        using HttpResponseMessage transcribed = await client.PostAsync(new Uri("/v1/audio/transcriptions", UriKind.Relative), form);
        Assert.NotEmpty(JsonDocument.Parse(await transcribed.Content.ReadAsStringAsync()).RootElement.GetProperty("text").GetString()!);

        Assert.Equal(0, Kill(server.Id, 15));
        Assert.Equal(0, server.Wait().ExitCode);
    }

    [Fact]
    public void A_key_is_shown_once_and_a_public_address_needs_one()
    {
        EmovaResult made = EmovaProcess.Run(_work.Folder, "serve", "--api-key-file", "keys", "--new-api-key", "ann");
        Assert.Equal(0, made.ExitCode);
        Assert.Matches("^emova-[0-9a-f]{64}\n$", made.Output);
        Assert.DoesNotContain(made.Output.Trim(), File.ReadAllText(_work["keys"]), StringComparison.Ordinal);
        EmovaResult open = EmovaProcess.Run(_work.Folder, "serve", "--host", "0.0.0.0", "--model", Path.Combine(Repository.Root, "models", "emova-tiny"));
        Assert.Equal(2, open.ExitCode);
        Assert.Contains("Emova:ApiKeyFile", open.Error, StringComparison.Ordinal);
    }

    /// <summary>The commands of the unit and of the image, with this machine's folders in the place of theirs: they start a server that answers and ends cleanly.</summary>
    [Theory]
    [InlineData("emova.service")]
    [InlineData("Dockerfile")]
    public async Task The_deployed_command_serves(string file)
    {
        string text = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy", file));
        Match command = file == "Dockerfile" ? EntryPoint().Match(text) : ExecStart().Match(text);
        string[] words = file == "Dockerfile" ? JsonSerializer.Deserialize<string[]>(command.Groups[1].Value)! : command.Groups[1].Value.Split(' ');
        Assert.True(words[..2] is ["dotnet", "Emova.Cli.dll"] || words[0] == "/opt/emova/Emova.Cli");
        EmovaResult key = EmovaProcess.Run(_work.Folder, "serve", "--api-key-file", "keys", "--new-api-key", "ann");
        await File.WriteAllTextAsync(_work["appsettings.json"], """{"Emova": {"Port": 0, "Limits": {"RequestsPerMinute": 1000}}}""");
        string[] arguments = [.. words.SkipWhile(word => word != "serve").Select(word => word switch
        {
            "/etc/emova/appsettings.json" => _work["appsettings.json"],
            "/opt/emova/models/emova-tiny" or "models/emova-tiny" => Path.Combine(Repository.Root, "models", "emova-tiny"),
            "/keys" => _work["keys"],
            "0.0.0.0" => "127.0.0.1", // tests answer to nobody but this machine
            "8080" => "0",
            _ => word,
        })];
        Assert.DoesNotContain(arguments, argument => argument.StartsWith("/opt", StringComparison.Ordinal) || argument.StartsWith("/etc", StringComparison.Ordinal));
        using EmovaProcess server = EmovaProcess.Start(_work.Folder, arguments);
        using HttpClient client = new() { BaseAddress = new Uri(await AddressAsync(server)) };
        using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
        if (file == "Dockerfile")
        {
            using HttpResponseMessage stranger = await client.GetAsync(new Uri("/v1/models", UriKind.Relative));
            Assert.Equal(System.Net.HttpStatusCode.Unauthorized, stranger.StatusCode);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key.Output.Trim());
        }

        using HttpResponseMessage models = await client.SendAsync(request);
        Assert.Contains("emova-tiny", await models.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        // What the unit stops with.
        Assert.Contains("KillSignal=SIGTERM", await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy", "emova.service")), StringComparison.Ordinal);
        Assert.Equal(0, Kill(server.Id, 15));
        Assert.Equal(0, server.Wait().ExitCode);
    }

    /// <summary>systemd itself reads the unit without a complaint; only the program's path is one that exists here.</summary>
    [Fact]
    public void Systemd_takes_the_unit()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "systemd-analyze is missing (Debian: systemd)");
        string unit = File.ReadAllText(Path.Combine(Repository.Root, "deploy", "emova.service"));
        File.WriteAllText(_work["emova.service"], unit.Replace("/opt/emova/Emova.Cli", "/bin/true", StringComparison.Ordinal));
        using System.Diagnostics.Process verify = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("/usr/bin/systemd-analyze", ["verify", "--man=no", _work["emova.service"]]) { RedirectStandardError = true })!;
        string complaints = verify.StandardError.ReadToEnd();
        verify.WaitForExit();
        Assert.True(verify.ExitCode == 0 && !complaints.Contains("emova.service", StringComparison.Ordinal), complaints);
    }

    private static async Task<string> AddressAsync(EmovaProcess server)
    {
        for (int i = 0; i < 1200; i++)
        {
            if (Listening().Match(server.Output) is { Success: true } match)
                return match.Groups[1].Value;
            Assert.False(server.HasExited, "the server ended before it listened");
            await Task.Delay(100);
        }

        throw new TimeoutException($"the server does not listen: {server.Output}");
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    [GeneratedRegex(@"Listening on (http://[^ ]+) with")]
    private static partial Regex Listening();

    [GeneratedRegex("^ExecStart=(.+)$", RegexOptions.Multiline)]
    private static partial Regex ExecStart();

    [GeneratedRegex(@"^ENTRYPOINT (\[.+\])$", RegexOptions.Multiline)]
    private static partial Regex EntryPoint();

    /// <summary>curl commands with a JSON body.</summary>
    [GeneratedRegex(@"curl http://127\.0\.0\.1:8080(?<path>\S+) -H 'Content-Type: application/json'[^\n]* -d '(?<body>\{.*?\})'$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Request();
}
