using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Emova.Media;
using Emova.Tests;
using Xunit;

namespace Emova.EndToEnd.Tests;

/// <summary>What the README tells a stranger to type works, with the shipped model and samples.</summary>
public sealed partial class ReadmeTests : IDisposable
{
    private static readonly string Readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));

    private readonly TemporaryFolder _work = new();

    public static TheoryData<string> TableCommands =>
        [.. TableCode().Matches(Readme).Select(match => match.Groups[1].Value.Replace("\\|", "|", StringComparison.Ordinal)).Where(code => !code.StartsWith('-'))];

    public static TheoryData<string> Samples => [.. SampleList().Select(sample => sample.GetProperty("name").GetString()!)];

    public void Dispose() => _work.Dispose();

    [Fact]
    public void The_first_command_answers_aloud_within_a_minute()
    {
        Assert.Contains("\ndotnet run -c Release --project src/Emova.Cli -- demo\n", Readme, StringComparison.Ordinal);
        var watch = Stopwatch.StartNew();
        EmovaResult result = EmovaProcess.Run(_work.Folder, "demo");
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 60);
        Assert.InRange(WavFile.Read(_work["reply.wav"]).Duration.TotalSeconds, 0.3, 30);
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void Every_sample_can_be_asked(string sample)
    {
        EmovaResult result = EmovaProcess.Run(_work.Folder, "demo", "--sample", sample, "--runs", "0", "--json");
        Assert.True(result.ExitCode == 0, result.Error);
        JsonElement reply = JsonDocument.Parse(result.Output).RootElement.GetProperty("reply");
        Assert.NotEmpty(reply.GetProperty("text").GetString()!);
        Assert.NotEmpty(WavFile.Read(_work["reply.wav"]).Samples);
    }

    [Theory]
    [MemberData(nameof(TableCommands))]
    public void Every_command_of_the_table_exists_with_these_options(string command)
    {
        ParseResult parsed = Emova.Cli.Application.CreateRoot().Parse(CommandLineParser.SplitCommandLine(command).ToArray());
        Assert.Empty(parsed.Errors.Select(error => error.Message));
    }

    private static JsonElement[] SampleList() =>
        [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "samples", "samples.json"))).RootElement.GetProperty("samples").EnumerateArray()];

    /// <summary>Code in the second column of a table.</summary>
    [GeneratedRegex(@"^\| [^|]+ \| `((?:[^`])+)`", RegexOptions.Multiline)]
    private static partial Regex TableCode();
}
