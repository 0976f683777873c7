namespace Emova.Server.Engine;

/// <summary>Ends a streamed text before the first of some texts; characters that may begin one are held back until that is clear.</summary>
internal sealed class StopTexts(IReadOnlyList<string> texts)
{
    private string _held = "";

    /// <summary>Whether one of the texts came.</summary>
    public bool Found { get; private set; }

    /// <summary>Adds characters.</summary>
    /// <returns>The characters that can be shown now.</returns>
    public string Add(string piece)
    {
        if (Found)
            return "";
        _held += piece;
        int end = texts.Select(text => _held.IndexOf(text, StringComparison.Ordinal)).Where(index => index >= 0).DefaultIfEmpty(-1).Min();
        if (end >= 0)
        {
            Found = true;
            return Release(end, drop: true);
        }

        int keep = texts.Count == 0 ? 0 : texts.Max(text => Overlap(_held, text));
        return Release(_held.Length - keep, drop: false);
    }

    /// <summary>What was held back, at the end of the text.</summary>
    public string Flush() => Release(_held.Length, drop: true);

    private string Release(int count, bool drop)
    {
        string shown = _held[..count];
        _held = drop ? "" : _held[count..];
        return shown;
    }

    /// <summary>The longest end of <paramref name="held"/> that begins <paramref name="text"/>.</summary>
    private static int Overlap(string held, string text)
    {
        for (int length = Math.Min(held.Length, text.Length - 1); length > 0; length--)
        {
            if (text.AsSpan().StartsWith(held.AsSpan(held.Length - length), StringComparison.Ordinal))
                return length;
        }

        return 0;
    }
}
