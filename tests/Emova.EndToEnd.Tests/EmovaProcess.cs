using System.Diagnostics;
using System.Text;

namespace Emova.EndToEnd.Tests;

/// <summary>Runs the built command as a process of its own, as a user would.</summary>
internal sealed class EmovaProcess : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(600);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    private EmovaProcess(string workingFolder, string? input, string[] arguments)
    {
        ProcessStartInfo start = new("dotnet")
        {
            WorkingDirectory = workingFolder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        start.ArgumentList.Add(typeof(Emova.Cli.Terminal).Assembly.Location);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment.Remove("EMOVA_MODEL");
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_error, line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        if (input is not null)
        {
            _process.StandardInput.Write(input);
            _process.StandardInput.Close();
        }
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public static EmovaProcess Start(string workingFolder, params string[] arguments) => new(workingFolder, null, arguments);

    /// <summary>Starts with the content of a file as standard input; returns while it still reads.</summary>
    public static EmovaProcess StartWithInputFile(string workingFolder, string file, params string[] arguments) =>
        new(workingFolder, File.ReadAllText(file), arguments);

    public static EmovaResult Run(string workingFolder, params string[] arguments) => RunWithInput(workingFolder, "", arguments);

    public static EmovaResult RunWithInput(string workingFolder, string input, params string[] arguments)
    {
        using EmovaProcess process = new(workingFolder, input, arguments);
        return process.Wait();
    }

    public async Task WriteLineAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line).ConfigureAwait(false);
        await _process.StandardInput.FlushAsync().ConfigureAwait(false);
    }

    public EmovaResult Wait()
    {
        if (!_process.WaitForExit(Limit))
        {
            _process.Kill(entireProcessTree: true);
            throw new TimeoutException($"emova did not end within {Limit.TotalSeconds} s; it wrote: {Output}{_error}");
        }

        _process.WaitForExit(); // the readers, too
        return new EmovaResult(_process.ExitCode, Output, _error.ToString());
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static void Append(StringBuilder text, string? line)
    {
        if (line is null)
            return;
        lock (text)
            text.Append(line).Append('\n');
    }
}

/// <summary>What a finished command left behind.</summary>
internal sealed record EmovaResult(int ExitCode, string Output, string Error);
