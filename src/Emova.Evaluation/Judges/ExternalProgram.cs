using System.Diagnostics;

namespace Emova.Evaluation.Judges;

/// <summary>Programs of other packages that the evaluation runs as processes; nothing is ever installed.</summary>
public static class ExternalProgram
{
    /// <summary>Full path of a program on PATH, or null.</summary>
    public static string? Find(string name)
    {
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path)) return path;
        }
        return null;
    }

    /// <summary>Runs a program to its end and returns its standard output.</summary>
    /// <exception cref="EmovaException">It fails or takes longer than the limit; the message quotes its last line of error output.</exception>
    public static async Task<byte[]> RunAsync(string path, IEnumerable<string> arguments, TimeSpan limit, CancellationToken cancellation = default)
    {
        var start = new ProcessStartInfo(path) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start) ?? throw new EmovaException($"{path}: could not be started");
        process.StandardInput.Close();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(limit);
        try
        {
            using var output = new MemoryStream();
            Task<string> errors = process.StandardError.ReadToEndAsync(timeout.Token);
            await process.StandardOutput.BaseStream.CopyToAsync(output, timeout.Token).ConfigureAwait(false);
            string errorText = await errors.ConfigureAwait(false);
            await process.WaitForExitAsync(timeout.Token).ConfigureAwait(false);
            if (process.ExitCode == 0) return output.ToArray();
            string lastLine = errorText.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "no message";
            throw new EmovaException($"{path}: exit code {process.ExitCode}: {lastLine.Trim()}");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            throw new EmovaException($"{path}: stopped after {limit.TotalSeconds:0} seconds");
        }
    }
}
