namespace Emova.Text;

/// <summary>How an image is marked in prompts and token ids.</summary>
public static class ImagePlaceholder
{
    /// <summary>The text that stands for one image.</summary>
    public const string Text = "<image>";

    /// <summary>The id that stands for one image; never a vocabulary id. The model replaces it by the image's features.</summary>
    public const int Id = -200;

    /// <summary>
    /// Encodes a prompt: every chunk between placeholders on its own, one <see cref="Id"/> between chunks.
    /// A BOS token appears once, at the front.
    /// </summary>
    public static List<int> Encode(string prompt, ITextEncoder encoder)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(encoder);
        List<int> ids = [];
        string[] chunks = prompt.Split(Text);
        for (int i = 0; i < chunks.Length; i++)
        {
            if (i > 0)
                ids.Add(Id);
            IReadOnlyList<int> chunk = encoder.Encode(chunks[i]);
            bool repeatedBos = i > 0 && chunk.Count > 0 && chunk[0] == encoder.BosTokenId;
            ids.AddRange(repeatedBos ? chunk.Skip(1) : chunk);
        }

        return ids;
    }

    /// <summary>Moves the placeholder of a message to its front: <c>&lt;image&gt;</c>, newline, then the text without placeholders, trimmed.</summary>
    /// <param name="message">A message with or without placeholder.</param>
    /// <param name="withMarkers">Wraps the placeholder in <c>&lt;im_start&gt;</c> and <c>&lt;im_end&gt;</c> (no released model does).</param>
    public static string MoveToFront(string message, bool withMarkers = false)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (!message.Contains(Text, StringComparison.Ordinal))
            return message;
        string text = message.Replace(Text, string.Empty, StringComparison.Ordinal).Trim();
        string moved = text.Length == 0 ? Text : $"{Text}\n{text}";
        return withMarkers ? moved.Replace(Text, $"<im_start>{Text}<im_end>", StringComparison.Ordinal) : moved;
    }
}
