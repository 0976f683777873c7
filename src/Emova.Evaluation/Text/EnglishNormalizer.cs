using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Emova.Evaluation.Text;

/// <summary>
/// The normalization English transcripts are compared after: case, fillers, contractions, titles, numbers, spelling and
/// punctuation no longer differ. Same results as the normalizer of the published word error rates.
/// </summary>
public static partial class EnglishNormalizer
{
    private static readonly (Regex Pattern, string Replacement)[] Expansions =
    [
        Word("won't", "will not"), Word("can't", "can not"), Word("let's", "let us"), Word("ain't", "aint"), Word("y'all", "you all"),
        Word("wanna", "want to"), Word("gotta", "got to"), Word("gonna", "going to"), Word("i'ma", "i am going to"), Word("imma", "i am going to"),
        Word("woulda", "would have"), Word("coulda", "could have"), Word("ma'am", "madam"),
        Word("mr", "mister "), Word("mrs", "missus "), Word("st", "saint "), Word("dr", "doctor "), Word("prof", "professor "),
        Word("capt", "captain "), Word("gov", "governor "), Word("ald", "alderman "), Word("gen", "general "), Word("sen", "senator "),
        Word("rep", "representative "), Word("pres", "president "), Word("rev", "reverend "), Word("hon", "honorable "),
        Word("asst", "assistant "), Word("assoc", "associate "), Word("lt", "lieutenant "), Word("col", "colonel "), Word("jr", "junior "),
        Word("sr", "senior "), Word("esq", "esquire "),
        Ending("'d been", " had been"), Ending("'s been", " has been"), Ending("'d gone", " had gone"), Ending("'s gone", " has gone"),
        Ending("'d done", " had done"), Ending("'s got", " has got"),
        Ending("n't", " not"), Ending("'re", " are"), Ending("'s", " is"), Ending("'d", " would"), Ending("'ll", " will"), Ending("'t", " not"),
        Ending("'ve", " have"), Ending("'m", " am"),
    ];

    /// <summary>Normalizes a transcript.</summary>
    public static string Normalize(string text)
    {
        text = text.ToLowerInvariant();
        text = TextCleaning.Bracketed().Replace(text, "");
        text = TextCleaning.Parenthesized().Replace(text, "");
        text = Fillers().Replace(text, "");
        text = SpaceBeforeApostrophe().Replace(text, "'");
        foreach ((Regex pattern, string replacement) in Expansions)
            text = pattern.Replace(text, replacement);
        text = DigitComma().Replace(text, "$1$2");
        text = Period().Replace(text, " $1");
        text = TextCleaning.RemoveSymbolsAndDiacritics(text, keep: ".%$¢€£");
        text = EnglishNumberNormalizer.Normalize(text);
        text = EnglishSpelling.Americanize(text);
        text = LoneSymbol().Replace(text, " $1");
        text = LonePercent().Replace(text, "$1 ");
        return TextCleaning.Spaces().Replace(text, " ");
    }

    private static (Regex, string) Word(string word, string replacement) => (new Regex($@"\b{word}\b", RegexOptions.CultureInvariant), replacement);

    private static (Regex, string) Ending(string ending, string replacement) => (new Regex($@"{ending}\b", RegexOptions.CultureInvariant), replacement);

    [GeneratedRegex(@"\b(hmm|mm|mhm|mmm|uh|um)\b")]
    private static partial Regex Fillers();

    [GeneratedRegex(@"\s+'")]
    private static partial Regex SpaceBeforeApostrophe();

    [GeneratedRegex(@"(\d),(\d)")]
    private static partial Regex DigitComma();

    [GeneratedRegex(@"\.([^0-9]|$)")]
    private static partial Regex Period();

    [GeneratedRegex(@"[.$¢€£]([^0-9])")]
    private static partial Regex LoneSymbol();

    [GeneratedRegex(@"([^0-9])%")]
    private static partial Regex LonePercent();
}

/// <summary>Language-independent normalization: lower case, no brackets, symbols as spaces.</summary>
public static class BasicNormalizer
{
    /// <summary>Normalizes a text; optionally drops diacritics, and separates every letter (for character error rates).</summary>
    public static string Normalize(string text, bool removeDiacritics = false, bool splitLetters = false)
    {
        text = text.ToLowerInvariant();
        text = TextCleaning.Bracketed().Replace(text, "");
        text = TextCleaning.Parenthesized().Replace(text, "");
        text = removeDiacritics ? TextCleaning.RemoveSymbolsAndDiacritics(text, keep: "") : TextCleaning.RemoveSymbols(text);
        text = text.ToLowerInvariant();
        if (splitLetters)
        {
            var letters = new List<string>();
            for (TextElementEnumerator element = StringInfo.GetTextElementEnumerator(text); element.MoveNext();)
                letters.Add(element.GetTextElement());
            text = string.Join(' ', letters);
        }
        return TextCleaning.Spaces().Replace(text, " ");
    }
}

/// <summary>Character-level cleaning shared by the normalizers.</summary>
public static partial class TextCleaning
{
    // Letters that compatibility decomposition leaves whole.
    private static readonly Dictionary<char, string> Ligatures = new()
    {
        ['œ'] = "oe", ['Œ'] = "OE", ['ø'] = "o", ['Ø'] = "O", ['æ'] = "ae", ['Æ'] = "AE", ['ß'] = "ss", ['ẞ'] = "SS",
        ['đ'] = "d", ['Đ'] = "D", ['ð'] = "d", ['Ð'] = "D", ['þ'] = "th", ['Þ'] = "th", ['ł'] = "l", ['Ł'] = "L",
    };

    /// <summary>Lower case without ASCII punctuation, as the dialogue evaluation compares recognized instructions.</summary>
    public static string LowerWithoutPunctuation(string text) =>
        string.Concat(text.ToLowerInvariant().Where(c => !(char.IsAscii(c) && (char.IsPunctuation(c) || char.IsSymbol(c)))));

    /// <summary>Decomposes, drops accents, and turns every mark, symbol and punctuation character not in <paramref name="keep"/> into a space.</summary>
    public static string RemoveSymbolsAndDiacritics(string text, string keep)
    {
        var result = new StringBuilder(text.Length);
        foreach (Rune rune in text.Normalize(NormalizationForm.FormKD).EnumerateRunes())
        {
            if (rune.IsBmp && keep.Contains((char)rune.Value, StringComparison.Ordinal)) result.Append((char)rune.Value);
            else if (rune.IsBmp && Ligatures.TryGetValue((char)rune.Value, out string? ascii)) result.Append(ascii);
            else if (Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark) { }
            else if (IsSymbol(rune)) result.Append(' ');
            else result.Append(rune.ToString());
        }
        return result.ToString();
    }

    /// <summary>Composes, and turns every mark, symbol and punctuation character into a space.</summary>
    public static string RemoveSymbols(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (Rune rune in text.Normalize(NormalizationForm.FormKC).EnumerateRunes())
            result.Append(IsSymbol(rune) ? " " : rune.ToString());
        return result.ToString();
    }

    private static bool IsSymbol(Rune rune) => Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.MathSymbol or UnicodeCategory.CurrencySymbol or UnicodeCategory.ModifierSymbol or UnicodeCategory.OtherSymbol
        or UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation
        or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation
        or UnicodeCategory.OtherPunctuation;

    /// <summary>Spans in square or angle brackets.</summary>
    [GeneratedRegex(@"[<\[][^>\]]*[>\]]")]
    public static partial Regex Bracketed();

    /// <summary>Spans in parentheses.</summary>
    [GeneratedRegex(@"\(([^)]+?)\)")]
    public static partial Regex Parenthesized();

    /// <summary>Runs of white space.</summary>
    [GeneratedRegex(@"\s+")]
    public static partial Regex Spaces();
}
