using Emova.Text;

namespace Emova.Models;

/// <summary>
/// A batch in which image placeholders were replaced by feature rows: for every position, where its vector comes from.
/// All arrays are (Rows, Length), row-major.
/// </summary>
/// <param name="Rows">Number of sequences.</param>
/// <param name="Length">Positions per sequence, padding included.</param>
/// <param name="Tokens">Token id whose embedding stands here; -1 for image rows and padding.</param>
/// <param name="FeatureRows">Row in the features of all images one after the other; -1 for tokens and padding.</param>
/// <param name="Mask">True at real positions.</param>
/// <param name="Labels">Label to predict here; <see cref="ImageSplice.IgnoreIndex"/> for image rows and padding.</param>
/// <param name="Positions">0, 1, ... over real positions; 0 at padding.</param>
public sealed record SplicedBatch(int Rows, int Length, int[] Tokens, int[] FeatureRows, bool[] Mask, int[] Labels, int[] Positions);

/// <summary>
/// Puts image features into token sequences (the reference's <c>prepare_inputs_labels_for_multimodal</c>). It decides positions
/// only, so that the runtime and training share it whatever their tensors are.
/// </summary>
public static class ImageSplice
{
    /// <summary>Label of positions that are not scored.</summary>
    public const int IgnoreIndex = -100;

    /// <summary>Replaces every <see cref="ImagePlaceholder.Id"/> by the rows of the next image, cuts and pads.</summary>
    /// <param name="inputIds">Token ids of each sequence.</param>
    /// <param name="attentionMask">False marks padding, which is removed first; null when nothing is padded.</param>
    /// <param name="labels">Labels per token; null when there are none.</param>
    /// <param name="featureCounts">
    /// Feature rows of each image, in batch order. As in the reference, a sequence without placeholder consumes one image too:
    /// the dummy that accompanies text-only samples.
    /// </param>
    /// <param name="maxLength">Longer sequences lose their end.</param>
    /// <param name="padLeft">Whether shorter sequences are padded on the left instead of the right.</param>
    /// <exception cref="EmovaException">There are more placeholders than images.</exception>
    public static SplicedBatch Plan(
        IReadOnlyList<int[]> inputIds,
        IReadOnlyList<bool[]>? attentionMask,
        IReadOnlyList<int[]>? labels,
        IReadOnlyList<int> featureCounts,
        int maxLength = int.MaxValue,
        bool padLeft = false)
    {
        int[] firstRows = new int[featureCounts.Count];
        for (int i = 1; i < firstRows.Length; i++)
            firstRows[i] = firstRows[i - 1] + featureCounts[i - 1];

        int nextImage = 0;
        List<List<Entry>> sequences = [];
        for (int row = 0; row < inputIds.Count; row++)
        {
            List<Entry> entries = [];
            bool hasImage = false;
            for (int i = 0; i < inputIds[row].Length; i++)
            {
                if (attentionMask is not null && !attentionMask[row][i])
                    continue;
                int id = inputIds[row][i];
                if (id != ImagePlaceholder.Id)
                {
                    entries.Add(new Entry(id, -1, labels is null ? IgnoreIndex : labels[row][i]));
                    continue;
                }

                hasImage = true;
                if (nextImage >= featureCounts.Count)
                    throw new EmovaException($"the prompt has more image placeholders than the {featureCounts.Count} pictures given");
                for (int k = 0; k < featureCounts[nextImage]; k++)
                    entries.Add(new Entry(-1, firstRows[nextImage] + k, IgnoreIndex));
                nextImage++;
            }

            if (!hasImage)
                nextImage++;
            if (entries.Count > maxLength)
                entries.RemoveRange(maxLength, entries.Count - maxLength);
            sequences.Add(entries);
        }

        return Pad(sequences, padLeft);
    }

    /// <summary>Gathers the vectors of a plan.</summary>
    /// <param name="batch">The plan.</param>
    /// <param name="features">Rows of all images, (sum of counts, D).</param>
    /// <param name="embed">Looks up token embeddings: ids, (T, D).</param>
    /// <param name="dim">Width D.</param>
    /// <returns>(Rows, Length, D); padding is zero.</returns>
    internal static float[] Gather(SplicedBatch batch, ReadOnlySpan<float> features, EmbedTokens embed, int dim)
    {
        float[] result = new float[batch.Tokens.Length * dim];
        for (int i = 0; i < batch.Tokens.Length; i++)
        {
            Span<float> target = result.AsSpan(i * dim, dim);
            if (batch.Tokens[i] >= 0)
                embed(batch.Tokens.AsSpan(i, 1), target);
            else if (batch.FeatureRows[i] >= 0)
                features.Slice(batch.FeatureRows[i] * dim, dim).CopyTo(target);
        }

        return result;
    }

    private static SplicedBatch Pad(List<List<Entry>> sequences, bool padLeft)
    {
        int length = sequences.Count == 0 ? 0 : sequences.Max(entries => entries.Count), total = sequences.Count * length;
        SplicedBatch batch = new(
            sequences.Count, length, new int[total], new int[total], new bool[total], new int[total], new int[total]);
        Array.Fill(batch.Tokens, -1);
        Array.Fill(batch.FeatureRows, -1);
        Array.Fill(batch.Labels, IgnoreIndex);
        for (int row = 0; row < sequences.Count; row++)
        {
            int start = row * length + (padLeft ? length - sequences[row].Count : 0);
            for (int i = 0; i < sequences[row].Count; i++)
            {
                Entry entry = sequences[row][i];
                batch.Tokens[start + i] = entry.Token;
                batch.FeatureRows[start + i] = entry.FeatureRow;
                batch.Labels[start + i] = entry.Label;
                batch.Mask[start + i] = true;
                batch.Positions[start + i] = i;
            }
        }

        return batch;
    }

    private readonly record struct Entry(int Token, int FeatureRow, int Label);
}

/// <summary>Looks up embeddings of T tokens into (T, D).</summary>
internal delegate void EmbedTokens(ReadOnlySpan<int> tokens, Span<float> embeddings);
