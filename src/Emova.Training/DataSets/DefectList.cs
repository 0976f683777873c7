using System.Text.Json;
using Emova.Training.Data;

namespace Emova.Training.DataSets;

/// <summary>An item that is not as it should be: a line of <c>defects.jsonl</c>.</summary>
/// <param name="Kind">what is wrong</param>
/// <param name="Item">id of the item, or where it is</param>
/// <param name="Reason">one line</param>
/// <param name="Used">whether the item is used all the same</param>
public sealed record Defect(string Kind, string Item, string Reason, bool Used = false);

/// <summary>Counts and lists broken items; the first ten thousand in full. Safe for several threads.</summary>
public sealed class DefectList
{
    private const int MostListed = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<DefectKind, int> _counts = [];
    private readonly List<Defect> _listed = [];
    private readonly HashSet<(DefectKind, string)> _known = [];

    /// <summary>Items that are left out.</summary>
    public int Dropped { get; private set; }

    /// <summary>How many of each kind, left out or not.</summary>
    public IReadOnlyDictionary<DefectKind, int> Counts
    {
        get
        {
            lock (_lock)
            {
                return new SortedDictionary<DefectKind, int>(_counts);
            }
        }
    }

    /// <summary>The items in the order they were found.</summary>
    public IReadOnlyList<Defect> Listed
    {
        get
        {
            lock (_lock)
            {
                return [.. _listed];
            }
        }
    }

    /// <summary>Notes an item; one that was noted with the same kind before counts once.</summary>
    public void Add(DefectKind kind, string item, string reason, bool used = false)
    {
        lock (_lock)
        {
            if (_known.Count < MostListed && !_known.Add((kind, item)))
            {
                return;
            }

            _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
            Dropped += used ? 0 : 1;
            if (_listed.Count < MostListed)
            {
                _listed.Add(new Defect(kind.ToString(), item, reason, used));
            }
        }
    }

    /// <summary>Notes an item with what was thrown for it.</summary>
    public void Add(string item, DefectException error) => Add(error.Kind, item, error.Message);

    /// <summary>Writes the list.</summary>
    public void Save(string path) => CorpusJson.WriteLines(path, Listed);

    /// <summary>One line for a person; empty when nothing is wrong.</summary>
    public string Summary() => string.Join(", ", Counts.Select(c => $"{c.Value} {JsonNamingPolicy.KebabCaseLower.ConvertName(c.Key.ToString())}"));
}
