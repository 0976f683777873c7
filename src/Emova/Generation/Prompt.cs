using Emova.Models.Language;
using Emova.Text;

namespace Emova.Generation;

/// <summary>Positions for a language model to read: tokens, and pictures in the place of their placeholders.</summary>
public sealed class Prompt
{
    private readonly int[] keys;
    private readonly (int First, PromptImage Image)[] images;

    /// <summary>Lays out a prompt.</summary>
    /// <param name="ids">Token ids and <see cref="ImagePlaceholder.Id"/>.</param>
    /// <param name="pictures">One picture per placeholder, in order.</param>
    /// <param name="dim">Width of the language model.</param>
    /// <exception cref="EmovaException">There are more or fewer placeholders than pictures.</exception>
    public Prompt(IReadOnlyList<int> ids, IReadOnlyList<PromptImage> pictures, int dim)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(pictures);
        int placeholders = ids.Count(id => id == ImagePlaceholder.Id);
        if (placeholders != pictures.Count)
            throw new EmovaException($"the prompt has {placeholders} image placeholders, but {pictures.Count} pictures were given");
        List<int> laidOut = [];
        List<(int, PromptImage)> placed = [];
        foreach (int id in ids)
        {
            if (id != ImagePlaceholder.Id)
            {
                laidOut.Add(id);
                continue;
            }

            PromptImage picture = pictures[placed.Count];
            placed.Add((laidOut.Count, picture));
            laidOut.AddRange(Enumerable.Repeat(picture.Key, picture.RowsFor(dim)));
        }

        (keys, images) = ([.. laidOut], [.. placed]);
    }

    /// <summary>Number of positions.</summary>
    public int Length => keys.Length;

    /// <summary>Token ids; a picture's positions hold its key.</summary>
    internal ReadOnlySpan<int> Keys => keys;

    /// <summary>Whether any of some positions shows a picture.</summary>
    internal bool HasImage(int start, int count) => count > 0 && keys.AsSpan(start, count).IndexOfAnyInRange(int.MinValue, -1) >= 0;

    /// <summary>The vectors of positions of this prompt.</summary>
    /// <param name="model">Knows the tokens' vectors.</param>
    /// <param name="start">First position.</param>
    /// <param name="rows">Receives (n, D).</param>
    internal void Embed(LanguageModel model, int start, Span<float> rows)
    {
        int dim = model.Config.HiddenSize;
        for (int i = 0; i < rows.Length / dim; i++)
        {
            int position = start + i;
            Span<float> row = rows.Slice(i * dim, dim);
            if (keys[position] >= 0)
            {
                model.Embed(keys.AsSpan(position, 1), row);
                continue;
            }

            (int first, PromptImage image) = images[Array.FindLastIndex(images, placed => placed.First <= position)];
            image.Features.AsSpan((position - first) * dim, dim).CopyTo(row);
        }
    }
}
