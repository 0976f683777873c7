using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Language;

/// <summary>Greedy decoding of a batch of prompts with a key-value cache, to measure answers during training.</summary>
public static class GreedyDecoder
{
    /// <summary>Large enough to vanish in the softmax, small enough that a row of padding stays finite.</summary>
    private const float Masked = -1e9f;

    /// <summary>Continues every prompt until the end token or the limit.</summary>
    /// <param name="model">in evaluation mode</param>
    /// <param name="prompts">embeddings of each prompt, (T_i, D)</param>
    /// <param name="endToken">token that ends an answer; it is not returned</param>
    /// <param name="maxTokens">limit of written tokens</param>
    /// <returns>tokens written for each prompt</returns>
    public static int[][] Decode(Qwen2ForCausalLM model, IReadOnlyList<Tensor> prompts, int endToken, int maxTokens)
    {
        using IDisposable noGrad = no_grad();
        List<int>[] written = [.. prompts.Select(_ => new List<int>())];
        List<int> active = [.. Enumerable.Range(0, prompts.Count)];
        Qwen2LayerCache[] caches = [.. Enumerable.Range(0, model.NumHiddenLayers).Select(_ => new Qwen2LayerCache())];
        try
        {
            long longest = prompts.Max(p => p.shape[0]);
            Tensor lengths = tensor(prompts.Select(p => p.shape[0]).ToArray());
            Tensor next;
            using (DisposeScope scope = NewDisposeScope())
            {
                Tensor padded = stack(prompts.Select(p => cat([zeros(longest - p.shape[0], p.shape[1]), p])).ToArray());
                Tensor hidden = model.Hidden(padded, 0, caches, PaddingMask(lengths, longest));
                next = model.Logits(hidden.select(1, longest - 1)).argmax(-1).MoveToOuterDisposeScope();
            }

            for (int step = 0; step < maxTokens; step++)
            {
                long[] tokens = next.data<long>().ToArray();
                List<int> kept = [];
                for (int i = 0; i < tokens.Length; i++)
                {
                    if (tokens[i] != endToken)
                    {
                        written[active[i]].Add((int)tokens[i]);
                        kept.Add(i);
                    }
                }

                if (kept.Count == 0 || step == maxTokens - 1)
                {
                    break;
                }

                using DisposeScope scope = NewDisposeScope();
                if (kept.Count < tokens.Length)
                {
                    Tensor rows = tensor(kept.Select(k => (long)k).ToArray());
                    active = [.. kept.Select(k => active[k])];
                    lengths = lengths.index_select(0, rows).DetachFromDisposeScope();
                    next = next.index_select(0, rows);
                    foreach (Qwen2LayerCache cache in caches)
                    {
                        cache.Select(rows);
                    }
                }

                long total = longest + step + 1;
                Tensor mask = where(Columns(total).unsqueeze(0).lt(PaddingOf(lengths, longest).unsqueeze(1)), tensor(Masked), tensor(0f));
                Tensor hidden = model.Hidden(model.Embed(next.unsqueeze(1)), total - 1, caches, mask.unsqueeze(1).unsqueeze(1));
                next = model.Logits(hidden.select(1, 0)).argmax(-1).MoveToOuterDisposeScope();
            }

            return [.. written.Select(w => w.ToArray())];
        }
        finally
        {
            foreach (Qwen2LayerCache cache in caches)
            {
                cache.Dispose();
            }
        }
    }

    /// <summary>Additive causal mask (B, 1, T, T) for rows of which only the last `lengths` (B) columns are real.</summary>
    public static Tensor PaddingMask(Tensor lengths, long total)
    {
        Tensor columns = Columns(total);
        Tensor later = columns.unsqueeze(0).gt(columns.unsqueeze(1)); // (T, T)
        Tensor padding = columns.unsqueeze(0).lt(PaddingOf(lengths, total).unsqueeze(1)); // (B, T)
        Tensor hidden = later.unsqueeze(0).logical_or(padding.unsqueeze(1)); // (B, T, T)
        return where(hidden, tensor(Masked), tensor(0f)).unsqueeze(1);
    }

    private static Tensor Columns(long count) => tensor(Enumerable.Range(0, (int)count).Select(i => (long)i).ToArray());

    private static Tensor PaddingOf(Tensor lengths, long total) => tensor(total).Minus(lengths);
}
