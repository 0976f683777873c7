using System.Text;
using System.Text.RegularExpressions;

namespace Emova.Training.Data;

/// <summary>
/// Learns a byte-level BPE vocabulary: starting from the 256 bytes, the most frequent neighboring pair within words is
/// merged again and again (Sennrich et al., https://arxiv.org/abs/1508.07909), over words cut by Qwen2's pattern.
/// </summary>
public static class ByteLevelBpeTrainer
{
    /// <summary>Qwen2's pre-tokenizer: letters with at most one leading character, single digits, punctuation, line ends.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] ByteNames = BuildByteNames();

    /// <summary>Trains on weighted texts.</summary>
    /// <param name="texts">Texts and how much each counts.</param>
    /// <param name="entries">Vocabulary size with the 256 bytes, without added tokens; fewer if no pair is left.</param>
    public static (List<string> Vocabulary, List<(string Left, string Right)> Merges) Train(IEnumerable<(string Text, long Weight)> texts, int entries)
    {
        if (entries < 256)
            throw new EmovaException($"tokenizer_entries {entries}: at least 256, one per byte");
        List<(List<string> Pieces, long Count)> words = CountWords(texts);
        var vocabulary = ByteNames.Order(StringComparer.Ordinal).ToList();
        var known = vocabulary.ToHashSet();
        var merges = new List<(string, string)>();
        while (vocabulary.Count < entries && MostFrequentPair(words) is { } pair)
        {
            merges.Add(pair);
            string merged = pair.Left + pair.Right;
            if (known.Add(merged))
                vocabulary.Add(merged);
            foreach ((List<string> pieces, _) in words)
                Merge(pieces, pair, merged);
        }
        return (vocabulary, merges);
    }

    private static List<(List<string> Pieces, long Count)> CountWords(IEnumerable<(string Text, long Weight)> texts)
    {
        var pattern = new Regex(Pattern, RegexOptions.CultureInvariant);
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach ((string text, long weight) in texts)
        {
            foreach (Match match in pattern.Matches(text.Normalize(NormalizationForm.FormC)))
                counts[match.Value] = counts.GetValueOrDefault(match.Value) + weight;
        }
        return [.. counts.Select(c => (Encoding.UTF8.GetBytes(c.Key).Select(b => ByteNames[b]).ToList(), c.Value))];
    }

    private static (string Left, string Right)? MostFrequentPair(List<(List<string> Pieces, long Count)> words)
    {
        var counts = new Dictionary<(string, string), long>();
        foreach ((List<string> pieces, long count) in words)
        {
            for (int i = 1; i < pieces.Count; i++)
                counts[(pieces[i - 1], pieces[i])] = counts.GetValueOrDefault((pieces[i - 1], pieces[i])) + count;
        }
        // Ties go to the pair that sorts first, so that the result does not depend on hash order.
        return counts.Count == 0 ? null : counts.MinBy(p => (-p.Value, new OrdinalPair(p.Key))).Key;
    }

    private static void Merge(List<string> pieces, (string Left, string Right) pair, string merged)
    {
        for (int i = 0; i + 1 < pieces.Count; i++)
        {
            if (pieces[i] == pair.Left && pieces[i + 1] == pair.Right)
            {
                pieces[i] = merged;
                pieces.RemoveAt(i + 1);
            }
        }
    }

    /// <summary>GPT-2's printable stand-ins: visible Latin-1 characters for themselves, the other bytes from U+0100 on.</summary>
    private static string[] BuildByteNames()
    {
        string[] names = new string[256];
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool visible = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            names[b] = ((char)(visible ? b : next++)).ToString();
        }
        return names;
    }

    private readonly record struct OrdinalPair((string Left, string Right) Pair) : IComparable<OrdinalPair>
    {
        public int CompareTo(OrdinalPair other)
        {
            int order = string.CompareOrdinal(Pair.Left, other.Pair.Left);
            return order != 0 ? order : string.CompareOrdinal(Pair.Right, other.Pair.Right);
        }
    }
}
