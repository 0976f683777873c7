using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Cli;
using Emova.Hub;
using Emova.Models;
using Emova.Tests.Models;
using Xunit;

namespace Emova.Tests.Hub;

[Collection("environment")]
public sealed class HubDownloadTests : IDisposable
{
    private readonly TemporaryFolder cache = new();
    private readonly LocalHub hub = new();

    private HubOptions Options => new()
    {
        Endpoint = hub.Endpoint, CacheFolder = cache["hub"], MaxFailures = 3, RetryDelay = TimeSpan.FromMilliseconds(5), StallTimeout = TimeSpan.FromSeconds(20),
    };

    private string RepositoryFolder => Path.Combine(cache["hub"], "models--owner--model");

    public void Dispose()
    {
        hub.Dispose();
        cache.Dispose();
    }

    [Fact]
    public async Task APulledModelLoadsAndLiesAsOtherToolsExpect()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder model = new(fixture);
        model.Shard();
        foreach (string path in Directory.GetFiles(model.Folder))
            hub.Add(Path.GetFileName(path), await File.ReadAllBytesAsync(path), path.EndsWith(".safetensors", StringComparison.Ordinal));
        hub.Add("sub folder/notes+ü.txt", "hello"u8.ToArray());
        hub.Add("pytorch_model.bin", new byte[100], isLarge: true);
        hub.Add("empty.txt", []);
        List<HubProgress> progress = [];

        string folder = await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options, new Recorder(progress));
        Assert.Equal(Path.Combine(RepositoryFolder, "snapshots", LocalHub.Commit), folder);
        Assert.Equal(LocalHub.Commit, await File.ReadAllTextAsync(Path.Combine(RepositoryFolder, "refs", "main")));
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(folder, "sub folder", "notes+ü.txt")));
        Assert.Empty(await File.ReadAllBytesAsync(Path.Combine(folder, "empty.txt")));
        Assert.False(File.Exists(Path.Combine(folder, "pytorch_model.bin"))); // the safetensors hold the same
        string config = Path.Combine(folder, "config.json");
        string blob = LocalHub.HashOf(await File.ReadAllBytesAsync(config), isLarge: false);
        Assert.Equal(Path.Combine("..", "..", "blobs", blob), new FileInfo(config).LinkTarget);
        Assert.Equal(progress[^1].TotalBytes, progress[^1].DoneBytes);
        Assert.True(progress.Zip(progress.Skip(1)).All(pair => pair.First.DoneBytes <= pair.Second.DoneBytes));
        using ModelFolder opened = ModelFolder.Open(folder);
        EmovaModel.Load(opened);

        // Again: only the list is asked for.
        hub.Requests.Clear();
        Assert.Equal(folder, await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options));
        Assert.Single(hub.Requests);
    }

    [Fact]
    public async Task BrokenConnectionsContinueWhereTheyEnded()
    {
        byte[] weights = Content(300_000);
        hub.Add("model.safetensors", weights, isLarge: true);
        hub.Fail("model.safetensors", new(CutAfter: 100_000), new(CutAfter: 50_000), new(CutAfter: 0), new(CutAfter: 100_000));
        string folder = await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options);
        Assert.Equal(weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors")));
        long[] starts = [.. hub.Requests.Where(request => request.StartsWith("store/", StringComparison.Ordinal) && request.Contains("bytes=", StringComparison.Ordinal))
            .Select(request => long.Parse(request.Split('=', '-')[^2]))];
        Assert.NotEmpty(starts); // how much of a broken answer arrives is up to the system
        Assert.True(starts.All(start => start is > 0 and < 300_000) && starts.SequenceEqual(starts.Order()));
        Assert.Empty(Directory.GetFiles(Path.Combine(RepositoryFolder, "blobs"), "*.incomplete"));
    }

    [Fact]
    public async Task AServerWithoutRangesSendsEverythingAgain()
    {
        byte[] weights = Content(200_000);
        hub.Add("model.safetensors", weights, isLarge: true);
        Directory.CreateDirectory(Path.Combine(RepositoryFolder, "blobs"));
        await File.WriteAllBytesAsync(Path.Combine(RepositoryFolder, "blobs", LocalHub.HashOf(weights, true) + ".incomplete"), weights[..70_000]);
        hub.Fail("model.safetensors", new LocalHub.Fault(IgnoreRange: true));
        string folder = await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options);
        Assert.Equal(weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors")));
        Assert.Contains("store/model.safetensors bytes=70000-", hub.Requests);
    }

    [Fact]
    public async Task AnInterruptedPullLeavesNothingHalfAndContinues()
    {
        byte[] weights = Content(400_000);
        hub.Add("config.json", "{}"u8.ToArray());
        hub.Add("model.safetensors", weights, isLarge: true);
        using CancellationTokenSource stop = new();
        HubRepository repository = HubRepository.Parse("owner/model");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => HubDownload.PullAsync(
            repository, Options, new Callback(p => { if (p.FileBytes > 0 && p.File.Path == "model.safetensors") stop.Cancel(); }), stop.Token));
        string partial = Path.Combine(RepositoryFolder, "blobs", LocalHub.HashOf(weights, true) + ".incomplete");
        Assert.True(new FileInfo(partial).Length is > 0 and < 400_000);
        Assert.Null(new HubCache(cache["hub"], repository).FindSnapshot());

        string folder = await HubDownload.PullAsync(repository, Options);
        Assert.Equal(weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors")));
        Assert.Contains(hub.Requests, request => request.StartsWith("store/model.safetensors bytes=", StringComparison.Ordinal));
        Assert.Equal(folder, new HubCache(cache["hub"], repository).FindSnapshot());
    }

    [Fact]
    public async Task WrongContentIsFetchedOnceMoreAndThenRefused()
    {
        hub.Add("model.safetensors", Content(5000), isLarge: true);
        hub.Fail("model.safetensors", new LocalHub.Fault(Corrupt: true));
        await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options);

        hub.Add("config.json", Content(40));
        hub.Fail("config.json", new(Corrupt: true), new(Corrupt: true));
        EmovaException error = await Assert.ThrowsAsync<EmovaException>(() => HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options));
        Assert.Contains("config.json arrived with the hash", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(RepositoryFolder, "blobs", LocalHub.HashOf(Content(40), false))));
    }

    [Fact]
    public async Task BusyServersAreAskedAgainUntilTooOften()
    {
        hub.Add("config.json", "{}"u8.ToArray());
        hub.Fail("list", new(503), new(429, RetryAfter: 0));
        hub.Fail("config.json", new(500), new(429, RetryAfter: 1));
        long start = Environment.TickCount64;
        await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options);
        Assert.True(Environment.TickCount64 - start >= 900, "Retry-After was ignored");

        hub.Fail("list", new(429), new(429), new(429));
        string message = (await Assert.ThrowsAsync<EmovaException>(() => HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options))).Message;
        Assert.Contains("owner/model: list of files: localhost answers 429", message, StringComparison.Ordinal);
        Assert.Contains("3 attempts", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RefusalsAreExplainedAndNotRepeated()
    {
        hub.Add("config.json", "{}"u8.ToArray());
        Assert.Contains("no such repository", await RefusalAsync("owner/other"), StringComparison.Ordinal);
        Assert.Contains("owner/model@v9: no such revision", await RefusalAsync("owner/model@v9"), StringComparison.Ordinal);
        hub.RequiredToken = "secret";
        Assert.Contains("set HF_TOKEN", await RefusalAsync("owner/model"), StringComparison.Ordinal);
        Assert.Contains("HF_TOKEN was sent", await RefusalAsync("owner/model", "wrong"), StringComparison.Ordinal);
        Assert.Equal(4, hub.Requests.Count);
    }

    [Fact]
    public async Task TheTokenGoesToTheHubAndNowhereElse()
    {
        hub.RequiredToken = "secret";
        hub.Add("model.safetensors", Content(100), isLarge: true);
        await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options with { Token = "secret" });
        Assert.Empty(hub.StoreTokens);
    }

    [Fact]
    public async Task RevisionsHaveReferencesAndCommitsNeedNone()
    {
        hub.Add("config.json", "{}"u8.ToArray());
        await HubDownload.PullAsync(HubRepository.Parse("owner/model@v1"), Options);
        await HubDownload.PullAsync(HubRepository.Parse($"owner/model@{LocalHub.Commit}"), Options);
        Assert.Equal(["v1"], Directory.GetFiles(Path.Combine(RepositoryFolder, "refs")).Select(Path.GetFileName));
        Assert.Null(new HubCache(cache["hub"], HubRepository.Parse("owner/model")).FindSnapshot());
        Assert.NotNull(new HubCache(cache["hub"], HubRepository.Parse("owner/model@v1")).FindSnapshot());
        Assert.NotNull(new HubCache(cache["hub"], HubRepository.Parse($"owner/model@{LocalHub.Commit}")).FindSnapshot());
    }

    [Fact]
    public async Task RoomOnTheDiskIsCheckedBeforeTheStart()
    {
        hub.Add("model.safetensors", Content(5000), isLarge: true);
        HubOptions full = Options with { FreeSpace = _ => 4999 };
        string message = (await Assert.ThrowsAsync<EmovaException>(() => HubDownload.PullAsync(HubRepository.Parse("owner/model"), full))).Message;
        Assert.Contains("needs 5000 bytes, but only 4999 bytes are free", message, StringComparison.Ordinal);
        Assert.Single(hub.Requests);
        Assert.True(HubOptions.FromEnvironment().FreeSpace(cache.Folder) > 0);
    }

    [Theory]
    [InlineData("../../evil")]
    [InlineData("/etc/passwd")]
    [InlineData("a\\..\\b")]
    [InlineData("a//b")]
    [InlineData("")]
    [InlineData("a\nb")]
    public async Task PathsThatLeadOutsideAreRefused(string path)
    {
        hub.Listing = List(path, new string('a', 40));
        Assert.Contains("not a list of files", await RefusalAsync("owner/model"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../../../../../tmp/evil0000000000000000")]
    [InlineData("xyz")]
    public async Task HashesAreNoPaths(string hash)
    {
        hub.Listing = List("config.json", hash);
        Assert.Contains("no usable hash", await RefusalAsync("owner/model"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("<html>")]
    [InlineData("""{"sha": "../x", "siblings": []}""")]
    [InlineData("""{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{"rfilename": 1}]}""")]
    public async Task OtherAnswersAreRefused(string answer)
    {
        hub.Listing = answer;
        string message = await RefusalAsync("owner/model");
        Assert.Contains("not a list of files", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData("model")]
    [InlineData("../model")]
    [InlineData("a/..")]
    [InlineData("a/b/c")]
    [InlineData("a--b/c")]
    [InlineData("a/b@")]
    [InlineData("a/b@../c")]
    [InlineData("a/b@x y")]
    public void NamesOfRepositoriesAreChecked(string text) => Assert.Throws<EmovaException>(() => HubRepository.Parse(text));

    [Fact]
    public async Task CommandsFindPulledModelsByName()
    {
        using FixtureCase fixture = Fixtures.Open("emova_e2e");
        using TinyModelFolder model = new(fixture);
        foreach (string path in Directory.GetFiles(model.Folder))
            hub.Add(Path.GetFileName(path), await File.ReadAllBytesAsync(path), path.EndsWith(".safetensors", StringComparison.Ordinal));
        await HubDownload.PullAsync(HubRepository.Parse("owner/model"), Options);
        string? before = Environment.GetEnvironmentVariable("HF_HUB_CACHE");
        try
        {
            Environment.SetEnvironmentVariable("HF_HUB_CACHE", cache["hub"]);
            Assert.Equal(Path.Combine(RepositoryFolder, "snapshots", LocalHub.Commit), ModelLocator.Find("owner/model"));
            Assert.Contains("not downloaded (emova pull owner/other)", Assert.Throws<EmovaException>(() => ModelLocator.Find("owner/other")).Message, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("HF_HUB_CACHE", before);
        }
    }

    [Fact]
    public async Task TheCommandPrintsTheFolder()
    {
        hub.Add("config.json", "{}"u8.ToArray());
        hub.RequiredToken = "secret";
        (string, string?)[] variables = [("HF_ENDPOINT", hub.Endpoint.AbsoluteUri), ("HF_HOME", cache["home"]), ("HF_HUB_CACHE", null), ("HF_TOKEN", "secret")];
        string?[] before = [.. variables.Select(variable => Environment.GetEnvironmentVariable(variable.Item1))];
        TextWriter console = Console.Out;
        using StringWriter written = new();
        try
        {
            foreach ((string name, string? value) in variables)
                Environment.SetEnvironmentVariable(name, value);
            Console.SetOut(written);
            Assert.Equal(Application.Success, await Application.RunAsync(["pull", "owner/model", "--json"]));
            Assert.Equal(Application.BadInput, await Application.RunAsync(["pull", "owner/other"]));
            Assert.Equal(Application.BadInput, await Application.RunAsync(["pull", "../etc"]));
        }
        finally
        {
            Console.SetOut(console);
            foreach (((string name, _), string? value) in variables.Zip(before))
                Environment.SetEnvironmentVariable(name, value);
        }

        JsonNode answer = JsonNode.Parse(written.ToString())!;
        Assert.Equal(Path.Combine(cache["home"], "hub", "models--owner--model", "snapshots", LocalHub.Commit), (string?)answer["folder"]);
        Assert.Equal("main", (string?)answer["revision"]);
    }

    private async Task<string> RefusalAsync(string repository, string? token = null) =>
        (await Assert.ThrowsAsync<EmovaException>(() => HubDownload.PullAsync(HubRepository.Parse(repository), Options with { Token = token }))).Message;

    private static string List(string path, string hash) => new JsonObject
    {
        ["sha"] = LocalHub.Commit, ["siblings"] = new JsonArray(new JsonObject { ["rfilename"] = path, ["blobId"] = hash, ["size"] = 1 }),
    }.ToJsonString();

    private static byte[] Content(int length)
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        return content;
    }

    private sealed class Recorder(List<HubProgress> list) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => list.Add(value);
    }

    private sealed class Callback(Action<HubProgress> action) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => action(value);
    }
}
