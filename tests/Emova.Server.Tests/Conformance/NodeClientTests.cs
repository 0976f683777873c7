using System.Diagnostics;
using Xunit;

namespace Emova.Server.Tests.Conformance;

/// <summary>The JavaScript clients of tests/conformance against a running server; skipped where Node.js or the packages are missing.</summary>
public sealed class NodeClientTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "conformance");

    [Theory]
    [InlineData("openai-chat.mjs")]
    [InlineData("openai-realtime.mjs")]
    [InlineData("agents-realtime.mjs")]
    public async Task A_stock_client_has_its_conversation(string script)
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules")), "packages are missing: npm ci --prefix tests/conformance");
        await using ServerFixture server = new(new() { ["Engine:MaxUnits"] = "60" });
        using Process? node = Start(script, server.Client.BaseAddress!.ToString().TrimEnd('/'));
        Assert.SkipWhen(node is null, "Node.js is missing");
        Task<string> output = node.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), error = node.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await node.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(node.ExitCode == 0, $"{await output}\n{await error}");
        Assert.Contains("passed", await output, StringComparison.Ordinal);
    }

    private static Process? Start(string script, string address)
    {
        ProcessStartInfo start = new("node", [Path.Combine(Folder, script), address, "emova-test"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            return Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
