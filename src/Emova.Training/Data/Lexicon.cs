namespace Emova.Training.Data;

/// <summary>Words of the closed world that are not concepts, and the small grammar that joins them.</summary>
public static class Lexicon
{
    public static IReadOnlyList<string> Colors { get; } =
        ["red", "green", "blue", "yellow", "purple", "orange", "black", "white", "pink"];

    public static IReadOnlyList<string> Shapes { get; } = ["circle", "square", "triangle", "star", "heart", "diamond"];

    public static IReadOnlyList<string> Emotions { get; } = ["happy", "sad", "angry", "neutral"];

    public static IReadOnlyList<string> Numbers { get; } =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ];

    /// <summary>Names without an article: substances, plurals, and the sun and moon, which take "the".</summary>
    private static readonly HashSet<string> NoArticle =
    [
        "grapes", "cherries", "corn", "broccoli", "bread", "popcorn", "sushi", "candy", "honey", "milk", "coffee",
        "juice", "tea", "fire", "glasses", "scissors", "ice cream", "cheese", "pizza",
    ];

    private static readonly HashSet<string> PluralNames = ["grapes", "cherries", "glasses", "scissors"];

    private static readonly HashSet<string> Unique = ["sun", "moon"];

    /// <summary>"a cat", "an owl", "bread", "the sun".</summary>
    public static string WithArticle(string name) =>
        Unique.Contains(name) ? "the " + name
        : NoArticle.Contains(name) ? name
        : (IsVowel(name) ? "an " : "a ") + name;

    /// <summary>is or are, for names such as scissors.</summary>
    public static string Is(string name) => PluralNames.Contains(name) ? "are" : "is";

    /// <summary>"this is" or "these are".</summary>
    public static string This(string name) => PluralNames.Contains(name) ? "these are" : "this is";

    /// <summary>"is this" or "are these".</summary>
    public static string IsThis(string name) => PluralNames.Contains(name) ? "are these" : "is this";

    public static bool IsPluralName(string name) => PluralNames.Contains(name);

    public static string Number(int n) => Numbers[n];

    /// <summary>"one cat", "three cats".</summary>
    public static string Counted(int n, string name, string plural) => $"{Numbers[n]} {(n == 1 ? name : plural)}";

    /// <summary>"on the left" and so on.</summary>
    public static string At(string place) => place switch
    {
        "left" => "on the left",
        "right" => "on the right",
        "top" => "at the top",
        "bottom" => "at the bottom",
        "middle" => "in the middle",
        _ => throw new ArgumentException($"place '{place}': not left, right, top, bottom or middle"),
    };

    private static bool IsVowel(string name) => "aeio".Contains(name[0]) || name.StartsWith("um", StringComparison.Ordinal);
}
