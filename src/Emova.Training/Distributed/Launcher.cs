using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Emova.Training.Distributed;

/// <summary>
/// Starts a stage as several processes with mpirun, and starts it again from its last checkpoint when one of them dies. What fails again
/// at once is tried with fewer processes, because a machine may be gone.
/// </summary>
/// <param name="output">where to tell what happens</param>
public sealed class Launcher(TextWriter output)
{
    /// <summary>SIGUSR1: mpirun passes it on to all processes, which save and stop (SIGINT and SIGTERM make it kill them).</summary>
    public const PosixSignal PoliteStop = (PosixSignal)10;

    private const int BadInput = 2;
    private const int InterruptedExit = 130;

    /// <summary>Processes that end sooner than this have not trained.</summary>
    private static readonly TimeSpan Short = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private int _process;
    private bool _interrupted;

    /// <summary>Number of processes at the start.</summary>
    public required int Ranks { get; init; }

    /// <summary>With fewer than this the launcher gives up.</summary>
    public int MinimumRanks { get; init; } = 1;

    /// <summary>How often to start again.</summary>
    public int Restarts { get; init; } = 5;

    /// <summary>Machines, one a line, as mpirun reads them; null = this machine.</summary>
    public string? HostFile { get; init; }

    /// <summary>Runs a command line until it ends well, gets bad input, is interrupted, or has been restarted too often. Returns its exit code.</summary>
    /// <param name="words">program and arguments of every process</param>
    /// <exception cref="EmovaException">A number is out of range, the file of machines is missing, or mpirun is not installed.</exception>
    public int Run(IReadOnlyList<string> words)
    {
        if (Ranks is < 1 or > 4096) throw new EmovaException($"--ranks {Ranks}: expected 1 to 4096");
        if (MinimumRanks < 1 || MinimumRanks > Ranks) throw new EmovaException($"--min-ranks {MinimumRanks}: expected 1 to {Ranks}");
        if (Restarts is < 0 or > 1000) throw new EmovaException($"--restarts {Restarts}: expected 0 to 1000");
        if (HostFile is not null && !File.Exists(HostFile)) throw new EmovaException($"{HostFile}: no such file of machines");

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        int ranks = Ranks;
        bool failedAtOnce = false;
        for (int restart = 0; ; restart++)
        {
            Stopwatch watch = Stopwatch.StartNew();
            int code = RunOnce(words, ranks);
            if (_interrupted) return code == 0 ? 0 : InterruptedExit;
            if (code is 0 or BadInput) return code;
            if (restart == Restarts)
            {
                output.WriteLine($"a process ended with code {code}; not started again, after {Restarts} restarts");
                return code;
            }

            bool atOnce = watch.Elapsed < Short;
            if (atOnce && failedAtOnce && ranks > MinimumRanks) ranks--;
            failedAtOnce = atOnce;
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"a process ended with code {code} after {watch.Elapsed.TotalSeconds:F0} s; restart {restart + 1} of {Restarts} with {ranks} processes from the last checkpoint"));
            output.Flush();
            Thread.Sleep(Pause);
            if (_interrupted) return InterruptedExit;
        }
    }

    private int RunOnce(IReadOnlyList<string> words, int ranks)
    {
        // In a session of its own mpirun does not get the terminal's Ctrl-C, to which it would answer by killing everything.
        List<string> arguments = ["mpirun", "-n", $"{ranks}", "--bind-to", "none"];
        arguments.AddRange(HostFile is null ? ["--oversubscribe"] : ["--hostfile", HostFile]);
        arguments.AddRange(words);
        ProcessStartInfo start = new("setsid", arguments) { UseShellExecute = false };

        // Open MPI asks for these two before it runs as root, as is usual in containers.
        if (Environment.IsPrivilegedProcess)
            start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        if (FindMpirun() is null) throw new EmovaException("mpirun: not found; install Open MPI 4 (Debian: apt-get install openmpi-bin)");
        try
        {
            using Process process = Process.Start(start)!;
            lock (_gate) _process = process.Id;
            process.WaitForExit();
            lock (_gate) _process = 0;
            return process.ExitCode;
        }
        catch (Win32Exception error)
        {
            throw new EmovaException($"setsid: cannot be started: {error.Message} (Debian: util-linux)", error);
        }
    }

    /// <summary>The path of mpirun, or null.</summary>
    public static string? FindMpirun() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, "mpirun")).FirstOrDefault(File.Exists);

    private void Interrupt(PosixSignalContext context)
    {
        context.Cancel = true;
        lock (_gate)
        {
            _interrupted = true;
            if (_process != 0) _ = Kill(_process, (int)PoliteStop);
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int process, int signal);
}
