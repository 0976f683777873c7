using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Emova.Training.Distributed;
using Emova.Training.Infrastructure;
using Xunit;

namespace Emova.Training.Tests.Distributed;

/// <summary>Real processes started by mpirun, through the command line.</summary>
public sealed class OpenMpiTests : IDisposable
{
    private const int Steps = 12;

    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "emova-train");

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-mpi").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Ranks_give_the_loss_curve_and_the_weights_of_one_process(int ranks)
    {
        RequireOpenMpi();
        string output = Run($"launch --ranks {ranks} --restarts 0 -- check-cluster --runs {_folder}/together --set total_steps={Steps} --set log_every=1", 0);
        Assert.Contains($"{ranks} processes on", output);
        Assert.Contains("MB/s", output);
        Alone("alone", ranks, Steps);
        Assert.Equal(Curve("alone"), Curve("together"));
        Assert.Equal(Weights("alone"), Weights("together"));
    }

    [Fact]
    public void Another_number_of_ranks_goes_on_with_the_same_curve()
    {
        RequireOpenMpi();
        string common = $"check-cluster --runs {_folder}/together --batches 6 --set total_steps={Steps} --set log_every=1";
        Run($"launch --ranks 3 --restarts 0 -- {common} --set stop_at={Steps / 2}", 0);
        Assert.Equal(Steps / 2, RunFolder.StateOf(Path.Combine(_folder, "together"), "check-cluster")!.Step);
        Run($"launch --ranks 2 --restarts 0 -- {common}", 0);
        Alone("alone", 6, Steps);
        (double[] alone, double[] together) = (Curve("alone"), Curve("together"));
        Assert.Equal(Steps, together.Length);
        Assert.All(alone.Zip(together), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    [Fact]
    public void A_killed_rank_is_replaced_and_the_run_ends_with_the_same_bytes()
    {
        RequireOpenMpi();
        const int Long = 600;
        string runs = Path.Combine(_folder, "killed");
        using Process launcher = Start(
            $"launch --ranks 2 --restarts 2 -- check-cluster --runs {runs} --set total_steps={Long} --set checkpoint_seconds=0.05 --set log_every=100", out StringBuilder output);
        while (!launcher.HasExited && (SavedStep(runs) ?? 0) < 5) Thread.Sleep(10);
        int victim = FindRank(runs, 1);
        using (Process rank = Process.GetProcessById(victim)) rank.Kill();
        launcher.WaitForExit();
        string text = output.ToString();
        Assert.True(launcher.ExitCode == 0, text);
        Assert.Contains("restart 1 of 2 with 2 processes from the last checkpoint", text);
        Assert.Contains("resumed at step", text);
        Alone("alone", 2, Long);
        Assert.Equal(Weights("alone"), Weights("killed"));
    }

    [Fact]
    public void Two_network_namespaces_train_over_the_network_between_them()
    {
        RequireOpenMpi();
        using Namespaces? network = Namespaces.Create(_folder);
        Assert.SkipWhen(network is null, "needs the right to make network namespaces (root, Debian package iproute2)");
        string hosts = Path.Combine(_folder, "hosts");
        File.WriteAllText(hosts, $"{Namespaces.FirstAddress} slots=1\n{Namespaces.SecondAddress} slots=1\n");
        string runs = Path.Combine(_folder, "apart");
        string output = Run(
            $"launch --ranks 2 --restarts 0 --hostfile {hosts} -- check-cluster --runs {runs} --set total_steps={Steps} --set log_every=1", 0, network!.Enter, network.Environment);
        Assert.Contains("emova-second (1)", output);
        Alone("alone", 2, Steps);
        Assert.Equal(Weights("alone"), Weights("apart"));

        // Each update sends half the gradients and half the weights across.
        long least = Steps * (new FileInfo(Path.Combine(runs, "check-cluster", "checkpoint", "weights.safetensors")).Length / 2);
        Assert.True(network.BytesSent() > least, $"{network.BytesSent()} bytes crossed, {least} at least expected");
    }

    [Fact]
    public void What_is_missing_or_wrong_is_named()
    {
        Assert.Contains("openmpi-bin", Assert.Throws<EmovaException>(() => OpenMpi.Load("libmpi-not-here.so.40")).Message);
        string common = $"check-cluster --runs {_folder}";
        Assert.Contains("--ranks 0: expected 1 to 4096", Run($"launch --ranks 0 -- {common}", 2));
        Assert.Contains("none: no such file of machines", Run($"launch --hostfile none -- {common}", 2));
        Assert.Contains("openmpi-bin", Run($"launch -- {common}", 2, environment: new() { ["PATH"] = _folder }));
        Assert.Contains("another MPI", Run(common, 2, environment: new() { ["PMI_SIZE"] = "2" }));
        Assert.Contains("under mpirun", Run("all", 2, environment: new() { ["OMPI_COMM_WORLD_SIZE"] = "2" }));
    }

    [Fact]
    public void Too_few_batches_for_the_ranks_are_refused_and_nothing_is_restarted()
    {
        RequireOpenMpi();
        string output = Run($"launch --ranks 3 -- check-cluster --runs {_folder} --batches 2", 2);
        Assert.Contains("accumulate 2: expected 3 or more", output);
        Assert.DoesNotContain("restart", output);
    }

    private static void RequireOpenMpi() => Assert.SkipWhen(Launcher.FindMpirun() is null, "needs mpirun (Debian package openmpi-bin)");

    private void Alone(string name, int batches, int steps)
    {
        ClusterCheckSettings settings = new() { TotalSteps = steps, Accumulate = batches, LogEvery = steps > 100 ? 100 : 1 };
        TorchSharp.torch.set_num_threads(1);
        Assert.True(ClusterCheck.Run(settings, Path.Combine(_folder, name), ProcessGroup.Alone, TextWriter.Null));
    }

    private double[] Curve(string name) =>
        [.. File.ReadLines(Path.Combine(_folder, name, "check-cluster", "metrics.jsonl")).Select(line => JsonNode.Parse(line)!["loss"]!.GetValue<double>())];

    private byte[] Weights(string name) => File.ReadAllBytes(Path.Combine(_folder, name, "check-cluster", "checkpoint", "weights.safetensors"));

    private static long? SavedStep(string runs)
    {
        try
        {
            return Directory.Exists(runs) ? RunFolder.StateOf(runs, "check-cluster")?.Step : null;
        }
        catch (IOException)
        {
            return null; // being renamed
        }
    }

    /// <summary>The process id of a rank whose command line names a folder.</summary>
    private static int FindRank(string runs, int rank)
    {
        foreach (string folder in Directory.EnumerateDirectories("/proc").Where(f => int.TryParse(Path.GetFileName(f), out _)))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "cmdline")).Contains(runs, StringComparison.Ordinal)
                    && File.ReadAllText(Path.Combine(folder, "environ")).Split('\0').Contains($"OMPI_COMM_WORLD_RANK={rank}"))
                    return int.Parse(Path.GetFileName(folder), System.Globalization.CultureInfo.InvariantCulture);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // It has ended, or belongs to somebody else.
            }
        }
        throw new InvalidOperationException($"no process of rank {rank} is running in {runs}");
    }

    private static string Run(string arguments, int expected, string[]? before = null, Dictionary<string, string>? environment = null)
    {
        using Process process = Start(arguments, out StringBuilder output, before, environment);
        process.WaitForExit();
        Assert.True(process.ExitCode == expected, $"exit code {process.ExitCode}, expected {expected}: {output}");
        return output.ToString();
    }

    private static Process Start(string arguments, out StringBuilder output, string[]? before = null, Dictionary<string, string>? environment = null)
    {
        string[] words = [.. before ?? [], Program, .. arguments.Split(' ')];
        ProcessStartInfo start = new(words[0], words[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach ((string name, string value) in environment ?? []) start.Environment[name] = value;
        StringBuilder text = output = new();
        Process process = new() { StartInfo = start };
        process.OutputDataReceived += (_, line) => Append(line.Data);
        process.ErrorDataReceived += (_, line) => Append(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;

        void Append(string? line)
        {
            lock (text) text.AppendLine(line);
        }
    }
}
