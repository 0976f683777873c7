using Emova.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using Xunit;

namespace Emova.Browser.Tests;

/// <summary>
/// The server with EMOVA-Tiny, and Debian's Chromium whose microphone plays a question of <c>samples/</c>. Without a browser the tests
/// skip themselves and name it; where CI is set nothing may be missing.
/// </summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    // Starting a browser and answering take seconds on a quiet machine; a busy one gets a minute for each step.
    private const float StepTimeout = 60_000;

    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public static string Root { get; } = Repository.Root;

    /// <summary>The recording that the fake microphone plays: 1.2 s, "where is the strawberry".</summary>
    public static string Question { get; } = Path.Combine(Root, "samples/strawberry.wav");

    public static string Picture { get; } = Path.Combine(Root, "samples/strawberry.png");

    private static string? Chromium { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => Names.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    private Assistant Assistant { get; } = Assistant.Load(Path.Combine(Root, "models/emova-tiny"));

    private WebApplication? Server { get; set; }

    private int Port { get; set; }

    public static void SkipWithoutBrowser() => Assert.SkipWhen(
        Chromium is null && Environment.GetEnvironmentVariable("CI") != "true", "needs a browser: the Debian package chromium");

    public async ValueTask InitializeAsync()
    {
        await StartServerAsync();
        if (Chromium is null)
            return;
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Chromium,
            Args =
            [
                "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream", $"--use-file-for-fake-audio-capture={Question}",
            ],
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        await StopServerAsync();
    }

    /// <summary>Starts the server, at the port it had before.</summary>
    public async Task StartServerAsync()
    {
        Dictionary<string, string?> settings = new() { ["Emova:Model"] = Path.Combine(Root, "models/emova-tiny"), ["Emova:Port"] = $"{Port}", ["Emova:DrainSeconds"] = "0" };
        Server = ServerHost.Build(settings, null, builder =>
        {
            builder.Services.AddSingleton(Assistant);
            builder.Logging.ClearProviders();
        });
        await Server.StartAsync();
        Port = new Uri(Server.Urls.Single()).Port;
    }

    public async Task StopServerAsync()
    {
        if (Server is null)
            return;
        await Server.StopAsync();
        await Server.DisposeAsync();
        Server = null;
    }

    /// <summary>Opens the page, connected unless <paramref name="connected"/> is false.</summary>
    /// <param name="width">Of the window.</param>
    /// <param name="height">Of the window.</param>
    /// <param name="dark">The system's preference.</param>
    /// <param name="script">Runs before the page's own.</param>
    /// <param name="connected">Whether to wait for the connection.</param>
    /// <param name="prepare">Changes to the page before it opens.</param>
    public async Task<IPage> OpenAsync(
        int width = 1280, int height = 800, bool dark = false, string? script = null, bool connected = true, Func<IPage, Task>? prepare = null)
    {
        IBrowserContext context = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = width, Height = height },
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            Permissions = ["microphone", "camera"],
        });
        context.SetDefaultTimeout(StepTimeout);
        IPage page = await context.NewPageAsync();
        if (script is not null)
            await page.AddInitScriptAsync(script);
        if (prepare is not null)
            await prepare(page);
        await page.GotoAsync($"http://127.0.0.1:{Port}/");
        if (connected)
            await Assertions.Expect(page.Locator("#connection")).ToHaveTextAsync("Ready", Slow());
        return page;
    }

    /// <summary>Keeps a picture of the page where <c>EMOVA_SCREENSHOTS</c> names a folder; the README's come from here.</summary>
    public static async Task KeepAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("EMOVA_SCREENSHOTS") is { Length: > 0 } folder)
            await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Path.GetFullPath(folder, Root), name) });
    }

    public static LocatorAssertionsToHaveTextOptions Slow() => new() { Timeout = StepTimeout };

    public static LocatorAssertionsToBeVisibleOptions SlowVisible() => new() { Timeout = StepTimeout };
}
