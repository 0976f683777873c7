namespace Emova.Training.Data;

/// <summary>Speech units of one utterance: a line of <c>units/index.jsonl</c>.</summary>
/// <param name="Id">Id of the <see cref="Utterance"/>.</param>
/// <param name="Units">Unit ids at 25 Hz, runs not collapsed.</param>
public sealed record UnitsRecord(string Id, int[] Units);

/// <summary>The units of every encoded utterance, by utterance id.</summary>
public sealed class SpeechUnitsTable
{
    private readonly Dictionary<string, int[]> _units;

    private SpeechUnitsTable(Dictionary<string, int[]> units) => _units = units;

    public int Count => _units.Count;

    public IEnumerable<string> Ids => _units.Keys;

    /// <summary>Units at 25 Hz, runs not collapsed.</summary>
    public int[] this[string id] => _units.TryGetValue(id, out int[]? units)
        ? units
        : throw new KeyNotFoundException($"units/index.jsonl: no units for utterance '{id}'; run 'emova-train encode' again");

    public bool TryGet(string id, out int[] units) => _units.TryGetValue(id, out units!);

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
        var units = new Dictionary<string, int[]>();
        foreach (UnitsRecord record in CorpusJson.ReadLines<UnitsRecord>(PathIn(folder)))
            units[record.Id] = record.Units;
        return new SpeechUnitsTable(units);
    }

    public static void Save(string folder, IEnumerable<UnitsRecord> records) => CorpusJson.WriteLines(PathIn(folder), records);

    /// <summary>Whether <c>units/index.jsonl</c> exists in the corpus folder.</summary>
    public static bool Exists(string folder) => File.Exists(PathIn(folder));

    private static string PathIn(string folder) => Path.Combine(folder, "units", "index.jsonl");
}
