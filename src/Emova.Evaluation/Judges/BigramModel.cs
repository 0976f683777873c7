using System.Globalization;

namespace Emova.Evaluation.Judges;

/// <summary>
/// Bigram language model with absolute discounting: what is taken from the seen pairs of a word goes to all words in
/// proportion to their own frequency. Written in the ARPA format speech recognizers read.
/// </summary>
public sealed class BigramModel
{
    private const string Start = "<s>";
    private const string End = "</s>";
    private const double Discount = 0.5;

    private readonly SortedDictionary<string, int> _words = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, SortedDictionary<string, int>> _pairs = new(StringComparer.Ordinal);
    private int _total;

    /// <summary>Counts the sentences; words are separated by white space and lower-cased.</summary>
    public BigramModel(IEnumerable<string> sentences)
    {
        foreach (string sentence in sentences)
        {
            string previous = Start;
            foreach (string word in SplitWords(sentence).Append(End))
            {
                _words[word] = _words.GetValueOrDefault(word) + 1;
                _total++;
                if (!_pairs.TryGetValue(previous, out SortedDictionary<string, int>? followers))
                    _pairs[previous] = followers = new SortedDictionary<string, int>(StringComparer.Ordinal);
                followers[word] = followers.GetValueOrDefault(word) + 1;
                previous = word;
            }
        }
    }

    /// <summary>Every word, sorted, without the sentence marks.</summary>
    public IEnumerable<string> Words => _words.Keys.Where(word => word != End);

    /// <summary>Lower-case words of a sentence.</summary>
    public static string[] SplitWords(string sentence) => sentence.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Probability of a word in any context, smoothed so that none is zero.</summary>
    public double Unigram(string word) => (_words.GetValueOrDefault(word) + 0.5) / (_total + 0.5 * _words.Count);

    /// <summary>Probability of a word after another.</summary>
    public double Probability(string previous, string word)
    {
        if (!_pairs.TryGetValue(previous, out SortedDictionary<string, int>? followers)) return Unigram(word);
        int total = followers.Values.Sum();
        double seen = followers.TryGetValue(word, out int count) ? (count - Discount) / total : 0;
        return seen + BackoffWeight(followers, total) * Unigram(word);
    }

    /// <summary>Writes the model as ARPA text.</summary>
    public void WriteArpa(TextWriter writer)
    {
        writer.Write($"\\data\\\nngram 1={_words.Count + 1}\nngram 2={_pairs.Values.Sum(followers => followers.Count)}\n\n\\1-grams:\n");
        writer.Write($"-99 {Start} {Backoff(Start)}\n");
        foreach (string word in _words.Keys)
            writer.Write(word == End ? $"{Log(Unigram(word))} {word}\n" : $"{Log(Unigram(word))} {word} {Backoff(word)}\n");
        writer.Write("\n\\2-grams:\n");
        foreach ((string previous, SortedDictionary<string, int> followers) in _pairs)
            foreach (string word in followers.Keys)
                writer.Write($"{Log(Probability(previous, word))} {previous} {word}\n");
        writer.Write("\n\\end\\\n");
    }

    private string Backoff(string word) => Log(_pairs.TryGetValue(word, out SortedDictionary<string, int>? f) ? BackoffWeight(f, f.Values.Sum()) : 1);

    private static double BackoffWeight(SortedDictionary<string, int> followers, int total) => Discount * followers.Count / total;

    private static string Log(double probability) => Math.Log10(probability).ToString("0.0000", CultureInfo.InvariantCulture);
}
