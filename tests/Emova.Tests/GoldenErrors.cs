using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

[assembly: AssemblyFixture(typeof(Emova.Tests.GoldenErrors))]

namespace Emova.Tests;

/// <summary>
/// Collects the largest error of every comparison with a golden case. At the end of a run they are added to
/// artifacts/golden/errors.json; with EMOVA_UPDATE_DOCS=1 the table of docs/checkpoints.md is rewritten from that file.
/// </summary>
public sealed class GoldenErrors : IDisposable
{
    public const string TableStart = "<!-- golden cases: written by EMOVA_UPDATE_DOCS=1, see CONTRIBUTING.md -->";
    public const string TableEnd = "<!-- end of golden cases -->";

    private static readonly ConcurrentDictionary<string, ConcurrentDictionary<string, Entry>> Run = new();

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Largest absolute error of an output, and the largest part of its tolerance that an element used.</summary>
    internal sealed record Entry(double Error, double Share);

    public static string Document => Path.Combine(Repository.Root, "docs", "checkpoints.md");

    /// <summary>Notes that a test read a case; what it compares exactly leaves no error behind.</summary>
    public static void Visit(string name) => Run.GetOrAdd(name, _ => new());

    public static void Record(string name, string output, double error, double share) => Run.GetOrAdd(name, _ => new()).AddOrUpdate(
        output, new Entry(error, share), (_, old) => new Entry(Math.Max(old.Error, error), Math.Max(old.Share, share)));

    public void Dispose()
    {
        if (!Fixtures.IsDefault || Run.IsEmpty)
            return;
        string folder = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", "golden")).FullName;
        string path = Path.Combine(folder, "errors.json");
        using Mutex turn = new(false, "emova-golden-errors"); // both test programs write it, perhaps at once
        turn.WaitOne();
        try
        {
            Merge(path);
        }
        finally
        {
            turn.ReleaseMutex();
        }
    }

    private static void Merge(string path)
    {
        SortedDictionary<string, SortedDictionary<string, Entry>> all = Read(path);
        foreach ((string name, ConcurrentDictionary<string, Entry> outputs) in Run)
        {
            if (!all.TryGetValue(name, out SortedDictionary<string, Entry>? known))
                all[name] = known = new SortedDictionary<string, Entry>(StringComparer.Ordinal);
            foreach ((string output, Entry entry) in outputs)
                known[output] = entry;
        }

        File.WriteAllText(path, JsonSerializer.Serialize(all, Indented));
        if (Environment.GetEnvironmentVariable("EMOVA_UPDATE_DOCS") == "1")
            UpdateDocument(all);
    }

    private static SortedDictionary<string, SortedDictionary<string, Entry>> Read(string path)
    {
        SortedDictionary<string, SortedDictionary<string, Entry>> all = new(StringComparer.Ordinal);
        if (!File.Exists(path))
            return all;
        foreach ((string name, Dictionary<string, Entry> outputs) in JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, Entry>>>(File.ReadAllText(path))!)
            all[name] = new SortedDictionary<string, Entry>(outputs, StringComparer.Ordinal);
        return all;
    }

    private static void UpdateDocument(SortedDictionary<string, SortedDictionary<string, Entry>> all)
    {
        StringBuilder table = new("\n| case | floating-point outputs compared | worst absolute error | share of its tolerance |\n|---|---:|---:|---:|\n");
        foreach (string name in Fixtures.AllCases.Where(all.ContainsKey))
        {
            ICollection<Entry> entries = all[name].Values;
            table.Append(CultureInfo.InvariantCulture, $"| {name} | {entries.Count} | ");
            table.Append(entries.Count == 0 ? "exact" : entries.Max(entry => entry.Error).ToString("0.0e+0", CultureInfo.InvariantCulture));
            table.Append(CultureInfo.InvariantCulture, $" | {(entries.Count == 0 ? "" : entries.Max(entry => entry.Share).ToString("0%", CultureInfo.InvariantCulture))} |\n");
        }

        string text = File.ReadAllText(Document);
        int start = text.IndexOf(TableStart, StringComparison.Ordinal) + TableStart.Length, end = text.IndexOf(TableEnd, StringComparison.Ordinal);
        File.WriteAllText(Document, text[..start] + table + text[end..]);
    }
}
