namespace Emova.Text;

/// <summary>
/// Finds added tokens in text, leftmost first and the longest of those that begin at the same place.
/// A character trie: the cost per text position is the length of the longest token prefix found there.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<(int Node, char Character), int> _edges = [];
    private readonly List<AddedToken?> _tokenAt = [null];

    public AddedTokenMatcher(IEnumerable<AddedToken> tokens)
    {
        foreach (AddedToken token in tokens.Where(token => token.Content.Length > 0))
        {
            int node = 0;
            foreach (char character in token.Content)
            {
                if (!_edges.TryGetValue((node, character), out int next))
                {
                    next = _tokenAt.Count;
                    _tokenAt.Add(null);
                    _edges.Add((node, character), next);
                }

                node = next;
            }

            _tokenAt[node] = token;
        }
    }

    /// <summary>Adds the ids of the tokens found, and calls <paramref name="encodeBetween"/> for the text around them.</summary>
    public void Split(string text, List<int> ids, Action<string, List<int>> encodeBetween)
    {
        int done = 0;
        int position = 0;
        while (_edges.Count > 0 && position < text.Length)
        {
            if (Match(text, position) is not { } token)
            {
                position++;
                continue;
            }

            int start = position;
            int end = position + token.Content.Length;
            while (token.StripLeft && start > done && char.IsWhiteSpace(text[start - 1]))
                start--;
            while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
                end++;
            if (start > done)
                encodeBetween(text[done..start], ids);
            ids.Add(token.Id);
            done = position = end;
        }

        if (done < text.Length)
            encodeBetween(done == 0 ? text : text[done..], ids);
    }

    private AddedToken? Match(string text, int start)
    {
        AddedToken? longest = null;
        int node = 0;
        for (int i = start; i < text.Length && _edges.TryGetValue((node, text[i]), out node); i++)
        {
            if (_tokenAt[node] is { } token && (!token.SingleWord || StandsAlone(text, start, i + 1)))
                longest = token;
        }

        return longest;
    }

    private static bool StandsAlone(string text, int start, int end) =>
        (start == 0 || !IsWordCharacter(text[start - 1])) && (end == text.Length || !IsWordCharacter(text[end]));

    private static bool IsWordCharacter(char character) => char.IsLetterOrDigit(character) || character == '_';
}
