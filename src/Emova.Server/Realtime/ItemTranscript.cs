using System.Text;

namespace Emova.Server.Realtime;

/// <summary>The transcript of one item while it is made; without an entry, words that only tell whether a sentence is finished.</summary>
internal sealed class ItemTranscript(ConversationEntry? entry)
{
    private readonly StringBuilder _text = new();

    public ConversationEntry? Entry { get; } = entry;

    public string Text => _text.ToString();

    /// <summary>The last piece, not shown yet.</summary>
    public string? Held { get; private set; }

    /// <summary>Whether a piece was shown.</summary>
    public bool Shown { get; private set; }

    public void Add(string text) => _text.Append(text);

    /// <summary>Adds a piece.</summary>
    /// <returns>The piece before it, to be shown now.</returns>
    public string? Hold(string text)
    {
        _text.Append(text);
        string? ready = Held;
        Held = text;
        Shown |= ready is not null;
        return ready;
    }
}
