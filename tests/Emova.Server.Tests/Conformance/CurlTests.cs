using System.Diagnostics;
using Xunit;

namespace Emova.Server.Tests.Conformance;

/// <summary>The script of tests/conformance for curl against a running server; skipped where curl or a shell is missing.</summary>
public sealed class CurlTests
{
    [Fact]
    public async Task Every_call_of_the_script_succeeds()
    {
        Assert.SkipUnless(Exists("bash") && Exists("curl"), "bash or curl is missing (Debian: curl)");
        await using ServerFixture server = new(new() { ["Engine:MaxUnits"] = "60" });
        string script = Path.Combine(Repository.Root, "tests", "conformance", "curl.sh");
        using Process process = Process.Start(new ProcessStartInfo("bash", [script, server.Client.BaseAddress!.ToString().TrimEnd('/'), "emova-test"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"{await output}\n{await error}");
        Assert.Contains("curl: passed", await output, StringComparison.Ordinal);
    }

    private static bool Exists(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}
