namespace Emova.Training.Data;

/// <summary>
/// Sorts every sentence and every combination of things into train, validation or test by a hash, so that a test
/// sentence or a test combination can never be seen in training, whatever order the corpus is built in.
/// </summary>
public sealed class SplitRule(ulong seed)
{
    public const string Train = "train";
    public const string Validation = "validation";
    public const string Test = "test";

    /// <summary>The rule of the corpus with a seed.</summary>
    public static SplitRule Of(int corpusSeed) => new((ulong)corpusSeed << 16);

    public static IReadOnlyList<string> Splits { get; } = [Train, Validation, Test];

    // Six by nine colored shapes are too few for a hash: an unlucky seed would leave a split without any.
    private static readonly Dictionary<string, string> HeldOutShapes = new()
    {
        ["purple star"] = Test, ["blue heart"] = Test, ["orange square"] = Test, ["pink triangle"] = Test,
        ["green diamond"] = Validation, ["red triangle"] = Validation,
    };

    /// <summary>Split of a spoken sentence. Pinned sentences (the closed small talk) are always train.</summary>
    public string OfSentence(string text, bool pinned = false)
    {
        if (pinned)
            return Train;
        foreach ((string name, string split) in HeldOutShapes)
        {
            if (Mentions(text, name))
                return split;
        }
        return Of(DeterministicRandom.Fraction(text, seed + 1), validation: 0.021, test: 0.037);
    }

    /// <summary>Split of an answer.</summary>
    public string? OfReply(Exchange e) => e.Combinations is null ? OfSentence(e.Reply, e.Pinned) : OfScene(e.Combinations);

    /// <summary>"purple star", "the star is purple" or "the stars are purple".</summary>
    private static bool Mentions(string text, string coloredShape)
    {
        string[] words = coloredShape.Split(' ');
        return text.Contains(coloredShape, StringComparison.Ordinal)
            || text.Contains($"{words[1]} is {words[0]}", StringComparison.Ordinal)
            || text.Contains($"{words[1]}s are {words[0]}", StringComparison.Ordinal);
    }

    /// <summary>Split of a question; questions have more wordings, so more of them are held out.</summary>
    public string OfQuestion(string text) => HeldOutShapes.FirstOrDefault(h => Mentions(text, h.Key)).Value ?? Of(DeterministicRandom.Fraction(text, seed + 2), validation: 0.036, test: 0.064);

    /// <summary>Split of a combination such as <c>cat+dog</c>, <c>cat x3</c> or <c>purple star</c>.</summary>
    public string OfCombination(string key) =>
        HeldOutShapes.TryGetValue(key, out string? split)
            ? split
            : key.Split(' ') is [var color, var shape] && Lexicon.Colors.Contains(color) && Lexicon.Shapes.Contains(shape)
                ? Train
                : Of(DeterministicRandom.Fraction(key, seed + 3), validation: 0.04, test: 0.06);

    /// <summary>
    /// Split of a scene: train only if every combination is; a held-out split if at least one combination belongs to it
    /// and none to the other one; null if it mixes the two.
    /// </summary>
    public string? OfScene(IEnumerable<string> combinations)
    {
        bool validation = false, test = false;
        foreach (string key in combinations)
        {
            string split = OfCombination(key);
            validation |= split == Validation;
            test |= split == Test;
        }
        return validation && test ? null : test ? Test : validation ? Validation : Train;
    }

    private static string Of(double fraction, double validation, double test) =>
        fraction < test ? Test : fraction < test + validation ? Validation : Train;
}
