using System.Runtime.InteropServices;
using Emova.Models.Language;

namespace Emova.Generation;

/// <summary>
/// A language model's memory of one conversation together with the tokens it stands for. A new prompt is compared with them and only
/// what differs is computed: the next turn costs as much as its own tokens. Tokens may be appended before they are computed.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="capacity">Most positions, 1 to MaxPositionEmbeddings.</param>
/// <param name="prefixes">Beginnings shared with other conversations of the same adapter; null for none.</param>
/// <param name="adapter">Changes the model for this conversation; null for none.</param>
public sealed class SequenceCache(LanguageModel model, int capacity, PrefixStore? prefixes = null, LoraAdapter? adapter = null)
{
    private readonly List<int> keys = []; // tokens, or the key of a picture at each of its positions; the first ones are computed
    private float[] embeddings = [];

    /// <summary>Most positions.</summary>
    public int Capacity => Cache.Capacity;

    /// <summary>Positions that are computed.</summary>
    public int Length => Cache.Length;

    /// <summary>Positions that are still to be computed.</summary>
    public int Pending => keys.Count - Cache.Length;

    /// <summary>Positions that are not used yet.</summary>
    public int Room => Capacity - keys.Count;

    internal KvCache Cache { get; } = model.CreateCache(capacity, adapter: adapter);

    /// <summary>Makes the sequence a prompt: what it holds of it stays, the rest is still to be computed, at least one position.</summary>
    /// <param name="prompt">Not longer than <see cref="Capacity"/>.</param>
    public void Begin(Prompt prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(prompt.Length, Capacity);
        ReadOnlySpan<int> known = prompt.Keys[..^1];
        Truncate(CollectionsMarshal.AsSpan(keys)[..Cache.Length].CommonPrefixLength(known));
        prefixes?.CopyTo(Cache, known);
        keys.Clear();
        keys.AddRange(prompt.Keys);
    }

    /// <summary>Appends a guess of the tokens that come next: those that followed the last time the same tokens were there.</summary>
    /// <param name="most">Most tokens.</param>
    /// <returns>Tokens appended.</returns>
    internal int AppendDraft(int most)
    {
        const int matched = 3;
        if (keys.Count <= matched || most <= 0)
            return 0;
        ReadOnlySpan<int> all = CollectionsMarshal.AsSpan(keys);
        int found = all[..^1].LastIndexOf(all[^matched..]);
        if (found < 0)
            return 0;
        int first = found + matched, count = Math.Min(most, all.Length - first);
        int picture = all.Slice(first, count).IndexOfAnyInRange(int.MinValue, -1);
        count = picture >= 0 ? picture : count;
        for (int i = 0; i < count; i++)
            keys.Add(keys[first + i]);
        return count;
    }

    /// <summary>The key of a position.</summary>
    internal int KeyAt(int position) => keys[position];

    /// <summary>Appends a token that is still to be computed.</summary>
    public void Append(int token) => keys.Add(token);

    /// <summary>Forgets all positions from <paramref name="length"/> on, computed or not, in constant time.</summary>
    public void Truncate(int length)
    {
        CollectionsMarshal.SetCount(keys, Math.Min(length, keys.Count));
        Cache.Truncate(Math.Min(length, Cache.Length));
    }

    /// <summary>Keeps the beginning of this sequence for others.</summary>
    /// <param name="length">Positions to keep; those not computed do not count.</param>
    public void Share(int length) => prefixes?.Keep(Cache, CollectionsMarshal.AsSpan(keys)[..Math.Min(length, Cache.Length)]);

    /// <summary>Puts the next pending positions into a batch.</summary>
    /// <param name="batch">Computes them.</param>
    /// <param name="rows">How many.</param>
    /// <param name="scoredRows">After how many of the last ones scores are wanted.</param>
    /// <param name="prompt">Where pictures come from.</param>
    /// <returns>The entry in the batch.</returns>
    internal int Enter(DecodeBatch batch, int rows, int scoredRows, Prompt prompt)
    {
        ReadOnlySpan<int> tokens = CollectionsMarshal.AsSpan(keys).Slice(Cache.Length, rows);
        int shown = Math.Clamp(prompt.Length - Cache.Length, 0, rows);
        if (!prompt.HasImage(Cache.Length, shown))
            return batch.Add(Cache, tokens, scoredRows);
        int dim = model.Config.HiddenSize;
        if (embeddings.Length < rows * dim)
            embeddings = new float[rows * dim];
        prompt.Embed(model, Cache.Length, embeddings.AsSpan(0, shown * dim));
        model.Embed(tokens[shown..], embeddings.AsSpan(shown * dim));
        return batch.Add(Cache, embeddings.AsSpan(0, rows * dim), scoredRows);
    }
}
