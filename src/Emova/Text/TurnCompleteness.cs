namespace Emova.Text;

/// <summary>
/// Whether what somebody said so far sounds finished, judged by its transcript: English sentences do not end in an article, a
/// preposition, a conjunction or a filled pause, nor do they end in a verb that needs an object or in a bare question word that
/// was just put in front. It errs towards finished, since waiting on a finished sentence is what people notice.
/// </summary>
public static class TurnCompleteness
{
    // What no spoken English request ends with, apart from rarities ("what are you looking at" keeps its preposition: those that
    // commonly stand at the end are left out).
    private static readonly HashSet<string> Unfinished = new(StringComparer.OrdinalIgnoreCase)
    {
        "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "every", "some",
        "and", "or", "but", "because", "if", "than", "although", "unless", "while", "whether", "nor",
        "of", "from", "into", "onto", "between", "beside", "behind", "under", "above", "below", "near", "during", "with", "to", "at", "by", "for",
        "is", "are", "was", "were", "am", "be", "i'm", "you're", "he's", "she's", "it's", "they're", "we're", "there's", "let's",
        "who", "whose", "which", "very", "really", "please",
        "um", "uh", "uhm", "erm", "er", "hmm", "mm", "well", "so", "like",
    };

    // Sentences of one of these words alone are finished; "please" and "well" among them would not be.
    private static readonly HashSet<string> FinishedAlone = new(StringComparer.OrdinalIgnoreCase) { "who", "which", "why", "what", "so" };

    /// <summary>Whether a transcript can stand as it is.</summary>
    /// <param name="transcript">What was heard, with or without punctuation.</param>
    /// <returns>False for nothing, for a trailing comma or dash, and for a last word that needs another one.</returns>
    public static bool IsComplete(string transcript)
    {
        ArgumentNullException.ThrowIfNull(transcript);
        string text = transcript.TrimEnd();
        if (text.Length == 0 || text[^1] is ',' or '-' or '\u2013' or '\u2014' or ':' or '\u2026' || text.EndsWith("...", StringComparison.Ordinal))
            return false;
        if (text[^1] is '?' or '!')
            return true;
        string[] words = text.TrimEnd('.', '"').Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
            return false;
        return words.Length == 1 && FinishedAlone.Contains(words[0]) || !Unfinished.Contains(words[^1]) || IsKnownEnding(words);
    }

    // "what time is it", "how are you", "who is she" end in a pronoun; "what is this for", "where are you from", "yes please",
    // "where it is", "what are you looking at" end in a word of the list and are finished.
    private static bool IsKnownEnding(string[] words)
    {
        string last = words[^1].ToLowerInvariant();
        string first = words[0].ToLowerInvariant();
        return last switch
        {
            "please" => words.Length > 1,
            "for" or "from" or "with" or "at" or "to" or "of" => first is "what" or "who" or "where" or "whom" && words.Length > 3,
            "is" or "are" or "am" or "was" or "were" => words.Length > 2 && words[^2].ToLowerInvariant() is "it" or "he" or "she" or "they" or "you" or "i" or "we" or "this" or "that",
            _ => false,
        };
    }
}
