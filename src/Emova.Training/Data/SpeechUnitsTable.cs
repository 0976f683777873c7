namespace Emova.Training.Data;

/// <summary>Speech units of one utterance: a line of <c>units/index.jsonl</c>.</summary>
/// <param name="Id">Id of the <see cref="Utterance"/>.</param>
/// <param name="Units">Unit ids at 25 Hz, runs not collapsed.</param>
/// <param name="Disguised">Units of the same recording as other people might have said it; null where there are none.</param>
public sealed record UnitsRecord(string Id, int[] Units, int[][]? Disguised = null);

/// <summary>The units of every encoded utterance, by utterance id.</summary>
public sealed class SpeechUnitsTable
{
    private readonly Dictionary<string, UnitsRecord> _units;

    private SpeechUnitsTable(Dictionary<string, UnitsRecord> units) => _units = units;

    public int Count => _units.Count;

    public IEnumerable<string> Ids => _units.Keys;

    /// <summary>Units at 25 Hz, runs not collapsed.</summary>
    public int[] this[string id] => Find(id).Units;

    /// <summary>The units themselves or, as often as each other, one of their disguised forms.</summary>
    public int[] Any(string id, Random random)
    {
        UnitsRecord record = Find(id);
        int choice = random.Next(1 + (record.Disguised?.Length ?? 0));
        return choice == 0 ? record.Units : record.Disguised![choice - 1];
    }

    /// <summary>The disguised forms, none where there are none.</summary>
    public IReadOnlyList<int[]> Disguised(string id) => Find(id).Disguised ?? [];

    private UnitsRecord Find(string id) => _units.TryGetValue(id, out UnitsRecord? record)
        ? record
        : throw new KeyNotFoundException($"units/index.jsonl: no units for utterance '{id}'; run 'emova-train encode' again");

    public bool Contains(string id) => _units.ContainsKey(id);

    /// <summary>Sorted ids of the units that occur in the given utterances.</summary>
    public int[] UsedBy(IEnumerable<string> ids)
    {
        var used = new SortedSet<int>();
        foreach (string id in ids)
            used.UnionWith(this[id]);
        return [.. used];
    }

    public static SpeechUnitsTable Open(string folder)
    {
        var units = new Dictionary<string, UnitsRecord>();
        foreach (UnitsRecord record in CorpusJson.ReadLines<UnitsRecord>(PathIn(folder)))
            units[record.Id] = record;
        return new SpeechUnitsTable(units);
    }

    public static void Save(string folder, IEnumerable<UnitsRecord> records) => CorpusJson.WriteLines(PathIn(folder), records);

    /// <summary>Whether <c>units/index.jsonl</c> exists in the corpus folder.</summary>
    public static bool Exists(string folder) => File.Exists(PathIn(folder));

    private static string PathIn(string folder) => Path.Combine(folder, "units", "index.jsonl");
}
