using Emova.Evaluation.Text;

namespace Emova.Evaluation.Metrics;

/// <summary>Errors against the length of the reference; add several to get the rate of a corpus.</summary>
public readonly record struct ErrorRate(int Errors, int Count)
{
    /// <summary>Longer hypotheses are recognizer loops; the published evaluation leaves them out.</summary>
    public const int MaxHypothesisCharacters = 1000;

    /// <summary>Errors per reference item; 0 when there is no reference.</summary>
    public double Rate => Count == 0 ? 0 : (double)Errors / Count;

    public static ErrorRate operator +(ErrorRate a, ErrorRate b) => new(a.Errors + b.Errors, a.Count + b.Count);

    /// <summary>Compares two sequences.</summary>
    public static ErrorRate Of<T>(ReadOnlySpan<T> reference, ReadOnlySpan<T> hypothesis) =>
        new(EditDistance.Between(reference, hypothesis), reference.Length);

    /// <summary>Words split at white space, nothing normalized.</summary>
    public static ErrorRate OfWords(string reference, string hypothesis) => Of<string>(Words(reference), Words(hypothesis));

    /// <summary>Characters, nothing normalized.</summary>
    public static ErrorRate OfCharacters(string reference, string hypothesis) => Of<char>(reference, hypothesis);

    /// <summary>Words after <see cref="EnglishNormalizer"/>.</summary>
    public static ErrorRate OfEnglish(string reference, string hypothesis) =>
        OfWords(EnglishNormalizer.Normalize(reference), EnglishNormalizer.Normalize(hypothesis));

    /// <summary>Characters after <see cref="ChineseNormalizer"/>.</summary>
    public static ErrorRate OfChinese(string reference, string hypothesis) =>
        OfCharacters(ChineseNormalizer.Normalize(reference), ChineseNormalizer.Normalize(hypothesis));

    /// <summary>Sums a corpus as the published evaluation does: hypotheses above 1,000 characters do not count at all.</summary>
    public static ErrorRate OfCorpus(IEnumerable<(string Reference, string Hypothesis)> pairs, Func<string, string, ErrorRate> compare) =>
        pairs.Where(pair => pair.Hypothesis.Length <= MaxHypothesisCharacters)
            .Aggregate(new ErrorRate(0, 0), (total, pair) => total + compare(pair.Reference, pair.Hypothesis));

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
