using System.Globalization;

namespace Emova.Benchmarks;

/// <summary>Options of the commands beside BenchmarkDotNet: <c>--name value</c>.</summary>
internal sealed class CommandLine(string[] args)
{
    public string? Text(string name) => Array.IndexOf(args, name) is >= 0 and int at && at + 1 < args.Length ? args[at + 1] : null;

    public int Number(string name, int fallback) => Text(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
