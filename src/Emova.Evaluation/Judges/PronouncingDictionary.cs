namespace Emova.Evaluation.Judges;

/// <summary>Words with their phones in the CMU notation (upper case, no stress marks), several lines per word allowed.</summary>
public sealed class PronouncingDictionary
{
    private readonly Dictionary<string, List<string[]>> _entries = [];

    /// <summary>Reads a dictionary file: "word PH ON ES", variants as "word(2) ...".</summary>
    public static PronouncingDictionary Open(string path)
    {
        var dictionary = new PronouncingDictionary();
        foreach (string line in File.ReadLines(path))
        {
            string[] parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length < 2) continue;
            int variant = parts[0].IndexOf('(', 1);
            string word = variant > 0 ? parts[0][..variant] : parts[0];
            if (!dictionary._entries.TryGetValue(word, out List<string[]>? list)) dictionary._entries[word] = list = [];
            list.Add(parts[1..]);
        }
        return dictionary;
    }

    /// <summary>The pronunciations of a lower-case word; empty when it is not listed.</summary>
    public IReadOnlyList<string[]> this[string word] => _entries.TryGetValue(word, out List<string[]>? list) ? list : [];

    /// <summary>Writes the entries of the given words and returns the words that have none.</summary>
    public IReadOnlyList<string> WriteSubset(IEnumerable<string> words, TextWriter writer)
    {
        var missing = new List<string>();
        foreach (string word in words)
        {
            IReadOnlyList<string[]> variants = this[word];
            if (variants.Count == 0) missing.Add(word);
            for (int i = 0; i < variants.Count; i++)
                writer.Write($"{(i == 0 ? word : $"{word}({i + 1})")} {string.Join(' ', variants[i])}\n");
        }
        return missing;
    }
}
