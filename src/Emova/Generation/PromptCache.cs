using System.Runtime.InteropServices;
using Emova.Models;
using Emova.Models.Language;
using Emova.Text;

namespace Emova.Generation;

/// <summary>
/// The model's memory of a conversation together with the tokens it holds. A new prompt is compared with them and only what
/// differs is computed: the next turn costs as much as its own tokens.
/// </summary>
internal sealed class PromptCache(EmovaModel model, int capacity)
{
    /// <summary>Held tokens; each position of an image counts as one placeholder.</summary>
    private readonly List<int> _held = [];

    public KvCache Cache { get; } = model.Language.CreateCache(capacity);

    /// <summary>Positions a prompt takes.</summary>
    public int LengthOf(List<int> ids, float[]? image) => ids.Count + (ids.Count(id => id == ImagePlaceholder.Id) * (RowsOf(image) - 1));

    /// <summary>Brings the memory to hold the prompt except its last token, and returns that one.</summary>
    /// <param name="ids">Token ids with at most one placeholder, which is not the last.</param>
    /// <param name="image">Features of the picture, (rows, D), when there is a placeholder. They must not change during a conversation.</param>
    public int Read(List<int> ids, float[]? image)
    {
        List<int> wanted = [];
        foreach (int id in ids)
            wanted.AddRange(Enumerable.Repeat(id, id == ImagePlaceholder.Id ? RowsOf(image) : 1));

        int common = CollectionsMarshal.AsSpan(_held).CommonPrefixLength(CollectionsMarshal.AsSpan(wanted)[..^1]);
        int imageEnd = wanted.LastIndexOf(ImagePlaceholder.Id) + 1;
        if (common < imageEnd)
            common = 0;
        Truncate(common);
        if (common < imageEnd)
            model.Language.Forward(Cache, model.EmbedPrompt(CollectionsMarshal.AsSpan(ids)[..^1], [image!]), []);
        else if (common < wanted.Count - 1)
            model.Language.Forward(Cache, CollectionsMarshal.AsSpan(wanted)[common..^1], []);
        _held.AddRange(wanted[common..^1]);
        return wanted[^1];
    }

    /// <summary>Notes tokens that a generator appended after <see cref="Read"/>; those not yet computed are dropped.</summary>
    public void Note(int promptEnd, IEnumerable<int> written)
    {
        _held.Add(promptEnd);
        _held.AddRange(written);
        Truncate(Math.Min(Cache.Length, _held.Count));
    }

    public void Clear() => Truncate(0);

    private void Truncate(int length)
    {
        Cache.Truncate(Math.Min(length, Cache.Length));
        _held.RemoveRange(Math.Min(Cache.Length, _held.Count), _held.Count - Math.Min(Cache.Length, _held.Count));
    }

    private int RowsOf(float[]? image) => image is null ? 0 : image.Length / model.Language.Config.HiddenSize;
}
