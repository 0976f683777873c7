using System.Diagnostics;
using Emova.Training.Data;
using Xunit;

namespace Emova.Training.Tests.Commands;

/// <summary>`emova-train all` from nothing, killed at random moments and started again, gives the bytes of a run that was left alone.</summary>
public sealed class KilledRunTests : IDisposable
{
    private const int Kills = 10;

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-killed").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_whole_chain_survives_ten_kills()
    {
        if (!FliteSynthesizer.IsAvailable) Assert.Skip($"needs the Debian package {FliteSynthesizer.Package}");
        Stopwatch watch = Stopwatch.StartNew();
        Assert.Equal(0, Finish("straight"));
        double whole = watch.Elapsed.TotalSeconds;

        Random random = new(Environment.TickCount);
        int kills = 0;
        while (kills < Kills)
        {
            using Process process = Start("killed");
            bool ended = process.WaitForExit(TimeSpan.FromSeconds(whole * (0.02 + (0.12 * random.NextDouble()))));
            Assert.False(ended, $"ended with {(ended ? process.ExitCode : 0)} after {kills} kills:\n{File.ReadAllText(LogOf("killed"))}");
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            kills++;
        }
        Assert.Equal(0, Finish("killed"));

        string[] files = Files("straight");
        Assert.Equal(files, Files("killed"));
        Assert.Contains(Path.Combine("model", "model.safetensors"), files);
        Assert.All(files, file => Assert.True(
            File.ReadAllBytes(Path.Combine(_folder, "straight", file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_folder, "killed", file))), $"{file} differs"));
    }

    /// <summary>The model folder and the weights and optimizer states of all runs.</summary>
    private string[] Files(string name) =>
        [.. Directory.EnumerateFiles(Path.Combine(_folder, name), "*.safetensors", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Path.Combine(_folder, name), path)).Where(path => !path.Contains("previous", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private int Finish(string name)
    {
        using Process process = Start(name);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, File.ReadAllText(LogOf(name)));
        return process.ExitCode;
    }

    private string LogOf(string name) => Path.Combine(_folder, name + ".log");

    private Process Start(string name)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "emova-train.dll"), work = Path.Combine(_folder, name);
        Directory.CreateDirectory(work);
        string[] words =
        [
            "dotnet", program, "all", "--config", "micro", "--threads", "1", "--data", Path.Combine(work, "data"), "--runs", Path.Combine(work, "runs"), "--out", Path.Combine(work, "model"),
        ];
        // A shell that becomes the program, so that its output goes to a file without a thread of ours.
        string command = $"exec {string.Join(' ', words.Select(word => $"'{word}'"))} >>'{LogOf(name)}' 2>&1";
        return Process.Start(new ProcessStartInfo("sh", ["-c", command]) { WorkingDirectory = Repository.Root })!;
    }
}
