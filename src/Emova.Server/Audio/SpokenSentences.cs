namespace Emova.Server.Audio;

/// <summary>Cuts a text into what the model can say in one go: sentences, and long sentences at commas or spaces.</summary>
internal static class SpokenSentences
{
    /// <summary>Longest piece in characters; about ten seconds of speech.</summary>
    public const int MaxLength = 160;

    public static IReadOnlyList<string> Split(string text)
    {
        List<string> pieces = [];
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            int length = Length(rest);
            string piece = rest[..length].Trim().ToString();
            if (piece.Any(char.IsLetterOrDigit))
                pieces.Add(piece);
            rest = rest[length..];
        }

        return pieces;
    }

    private static int Length(ReadOnlySpan<char> text)
    {
        int window = Math.Min(text.Length, MaxLength);
        for (int i = 0; i < window; i++)
        {
            bool ends = text[i] is '.' or '!' or '?' or '\n' or '。' or '！' or '？';
            if (ends && (i + 1 == text.Length || text[i] > 127 || text[i] == '\n' || char.IsWhiteSpace(text[i + 1])))
                return i + 1;
        }

        if (text.Length <= MaxLength)
            return text.Length;
        int cut = text[..window].LastIndexOfAny(',', ';', '，');
        if (cut <= 0)
            cut = text[..window].LastIndexOf(' ');
        // No place at all: in the middle of a word, but never of a character.
        return cut > 0 ? cut + 1 : char.IsHighSurrogate(text[window - 1]) ? window - 1 : window;
    }
}
