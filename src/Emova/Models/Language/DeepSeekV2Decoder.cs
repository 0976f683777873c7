using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// Multi-head latent attention: keys and values of all heads are expanded from one narrow vector per position, and the part of
/// the keys that turns with the position is shared by all heads. As in the reference, the cache holds the expanded keys and values.
/// </summary>
internal sealed class LatentAttention : ISublayer, IAttention
{
    // The inner norms do not follow the configuration.
    private const float InnerNormEps = 1e-6f;

    private readonly DeepSeekV2Config config;
    private readonly int index;
    private readonly LinearWeight? queryDown;
    private readonly float[]? queryNorm;
    private readonly LinearWeight query;
    private readonly LinearWeight keyValueDown;
    private readonly float[] keyValueNorm;
    private readonly LinearWeight keyValueUp;
    private readonly LinearWeight output;
    private readonly float scale;

    public LatentAttention(DeepSeekV2Config config, WeightLoader weights, int index)
    {
        (this.config, this.index) = (config, index);
        int heads = config.NumAttentionHeads, dim = config.HiddenSize;
        if (config.QLoraRank is int rank)
        {
            queryDown = weights.GetLinear("q_a_proj", rank, dim, config.AttentionBias);
            queryNorm = weights.Get("q_a_layernorm.weight", rank);
            query = weights.GetLinear("q_b_proj", heads * config.QkHeadDim, rank, bias: false);
        }
        else
        {
            query = weights.GetLinear("q_proj", heads * config.QkHeadDim, dim, bias: false);
        }

        keyValueDown = weights.GetLinear("kv_a_proj_with_mqa", config.KvLoraRank + config.QkRopeHeadDim, dim, config.AttentionBias);
        keyValueNorm = weights.Get("kv_a_layernorm.weight", config.KvLoraRank);
        keyValueUp = weights.GetLinear("kv_b_proj", heads * (config.QkNopeHeadDim + config.VHeadDim), config.KvLoraRank, bias: false);
        output = weights.GetLinear("o_proj", dim, heads * config.VHeadDim, config.AttentionBias);
        scale = (config.RopeScaling?.ScoreScale ?? 1) / MathF.Sqrt(config.QkHeadDim);
    }

    public void Forward(Span<float> rowsInOut, DecodeBatch batch)
    {
        DecoderScratch scratch = batch.Scratch;
        int rows = batch.Rows, heads = config.NumAttentionHeads, dim = config.HiddenSize, queryDim = heads * config.QkHeadDim;
        int compressedDim = config.KvLoraRank + config.QkRopeHeadDim, expandedDim = heads * (config.QkNopeHeadDim + config.VHeadDim);
        Span<float> queries = scratch.Projected.AsSpan(0, rows * queryDim); // (rows, heads * [nope | rope])
        Span<float> compressed = scratch.Projected.AsSpan(queries.Length, rows * compressedDim); // (rows, [latent | rope])
        Span<float> expanded = scratch.Projected.AsSpan(queries.Length + compressed.Length, rows * expandedDim); // (rows, heads * [nope | value])

        if (queryDown is null)
        {
            query.Multiply(rowsInOut, rows, dim, queries, queryDim);
        }
        else
        {
            Span<float> latent = scratch.Projected.AsSpan(queries.Length + compressed.Length + expanded.Length, rows * queryDown.Outputs);
            queryDown.Multiply(rowsInOut, rows, dim, latent, queryDown.Outputs);
            NormedRows.RmsNorm(latent, queryNorm!, InnerNormEps, latent);
            query.Multiply(latent, rows, queryDown.Outputs, queries, queryDim);
        }

        keyValueDown.Multiply(rowsInOut, rows, dim, compressed, compressedDim);
        for (int r = 0; r < rows; r++)
        {
            Span<float> latent = compressed.Slice(r * compressedDim, config.KvLoraRank);
            VectorMath.RmsNorm(latent, keyValueNorm, InnerNormEps, latent);
        }

        keyValueUp.Multiply(compressed, rows, compressedDim, expanded, expandedDim);
        foreach (BatchEntry entry in batch.Entries)
            StoreKeysAndValues(queries, compressed, expanded, entry, scratch);
        batch.AttendEach(this);
        output.Multiply(scratch.Attended, rows, config.ValueDim, rowsInOut, dim);
    }

    public void Attend(in BatchEntry entry, DecoderScratch scratch)
    {
        int heads = config.NumAttentionHeads, queryDim = heads * config.QkHeadDim;
        AttentionKernel.Causal(
            scratch.Projected.AsSpan(entry.FirstRow * queryDim), queryDim, entry.Cache.Keys(index), config.KeyDim, entry.Cache.Values(index), config.ValueDim,
            scratch.Attended.AsSpan(entry.FirstRow * config.ValueDim), config.ValueDim,
            entry.Rows, entry.Cache.Length, heads, heads, config.QkHeadDim, scale, valueDim: config.VHeadDim);
    }

    /// <summary>Turns queries and the shared key part, and lays the keys of each head out as [nope | rope].</summary>
    private void StoreKeysAndValues(Span<float> queries, Span<float> compressed, Span<float> expanded, in BatchEntry entry, DecoderScratch scratch)
    {
        int nope = config.QkNopeHeadDim, rope = config.QkRopeHeadDim, half = rope / 2, value = config.VHeadDim, heads = config.NumAttentionHeads;
        Span<float> keys = entry.Cache.Keys(index), values = entry.Cache.Values(index);
        for (int i = 0; i < entry.Rows; i++)
        {
            int r = entry.FirstRow + i, slot = entry.Cache.Length + i;
            ReadOnlySpan<float> cos = scratch.Cos.AsSpan(r * half, half), sin = scratch.Sin.AsSpan(r * half, half);
            Span<float> shared = compressed.Slice(r * (config.KvLoraRank + rope) + config.KvLoraRank, rope);
            RotaryEmbedding.RotatePairs(shared, cos, sin);
            Span<float> key = keys.Slice(slot * config.KeyDim, config.KeyDim);
            Span<float> valueRow = values.Slice(slot * config.ValueDim, config.ValueDim);
            for (int h = 0; h < heads; h++)
            {
                RotaryEmbedding.RotatePairs(queries.Slice((r * heads + h) * (nope + rope) + nope, rope), cos, sin);
                ReadOnlySpan<float> head = expanded.Slice((r * heads + h) * (nope + value), nope + value);
                head[..nope].CopyTo(key[(h * (nope + rope))..]);
                shared.CopyTo(key[(h * (nope + rope) + nope)..]);
                head[nope..].CopyTo(valueRow[(h * value)..]);
            }
        }
    }
}

/// <summary>
/// A router sends every row to a few experts, whose outputs are added by the router's weights to that of the shared experts.
/// Rows are gathered per expert; a row's sum runs over its experts in ascending order, whatever other rows there are.
/// </summary>
internal sealed class MixtureOfExperts : ISublayer
{
    private readonly DeepSeekV2Config config;
    private readonly int index;
    private readonly LinearWeight router;
    private readonly float[]? choiceBias;
    private readonly GatedFeedForward[] experts;
    private readonly GatedFeedForward? shared;

    public MixtureOfExperts(DeepSeekV2Config config, WeightLoader weights, int index)
    {
        (this.config, this.index) = (config, index);
        router = weights.GetLinear("gate", config.NRoutedExperts, config.HiddenSize, bias: false);
        if (config.TopkMethod == "noaux_tc")
            choiceBias = weights.Get("gate.e_score_correction_bias", config.NRoutedExperts);
        experts = [.. Enumerable.Range(0, config.NRoutedExperts).Select(
            e => new GatedFeedForward(weights.Push("experts").Push(e), config.HiddenSize, config.MoeIntermediateSize))];
        if (config.NSharedExperts > 0)
            shared = new GatedFeedForward(weights.Push("shared_experts"), config.HiddenSize, config.NSharedExperts * config.MoeIntermediateSize);
    }

    public void Forward(Span<float> rowsInOut, DecodeBatch batch)
    {
        int rows = batch.Rows, dim = config.HiddenSize, count = experts.Length, perRow = config.NumExpertsPerTok;
        DecoderScratch scratch = batch.Scratch;
        Span<float> scores = scratch.FeedForward.AsSpan(0, rows * count); // (rows, experts)
        Span<float> gathered = scratch.FeedForward.AsSpan(scores.Length, rows * dim);
        Span<float> sum = scratch.FeedForward.AsSpan(scores.Length + gathered.Length, rows * dim);
        Span<float> inner = scratch.FeedForward.AsSpan(scores.Length + gathered.Length + sum.Length);
        Span<int> routes = scratch.Routes.AsSpan(0, rows * perRow); // (rows, perRow)
        Span<float> weights = scratch.RouteWeights.AsSpan(0, rows * perRow);

        router.Multiply(rowsInOut, rows, dim, scores, count);
        for (int r = 0; r < rows; r++)
            Route(scores.Slice(r * count, count), routes.Slice(r * perRow, perRow), weights.Slice(r * perRow, perRow));
        if (scratch.Probe is { } probe)
        {
            probe($"layer{index}.topk_idx", Array.ConvertAll(routes.ToArray(), route => (float)route));
            probe($"layer{index}.topk_weight", weights);
        }

        sum.Clear();
        for (int e = 0; e < count; e++)
        {
            int taken = 0;
            for (int r = 0; r < rows; r++)
            {
                if (routes.Slice(r * perRow, perRow).Contains(e))
                    rowsInOut.Slice(r * dim, dim).CopyTo(gathered[(taken++ * dim)..]);
            }

            if (taken == 0)
                continue;
            experts[e].Forward(gathered, taken, inner);
            taken = 0;
            for (int r = 0; r < rows; r++)
            {
                int slot = routes.Slice(r * perRow, perRow).IndexOf(e);
                if (slot >= 0)
                    VectorMath.MultiplyAdd(gathered.Slice(taken++ * dim, dim), weights[r * perRow + slot], sum.Slice(r * dim, dim));
            }
        }

        if (shared is null)
        {
            sum.CopyTo(rowsInOut);
            return;
        }

        shared.Forward(rowsInOut, rows, inner);
        VectorMath.Add(rowsInOut, sum, rowsInOut);
    }

    /// <summary>Chooses the experts of one row.</summary>
    /// <param name="scores">Router outputs; turned into scores in place.</param>
    /// <param name="chosen">Receives the experts, best first.</param>
    /// <param name="weights">Receives their weights.</param>
    internal void Route(Span<float> scores, Span<int> chosen, Span<float> weights)
    {
        if (config.ScoringFunc == "softmax")
        {
            VectorMath.Softmax(scores);
        }
        else
        {
            foreach (ref float score in scores)
                score = 1 / (1 + MathF.Exp(-score));
        }

        Span<float> choice = stackalloc float[scores.Length];
        scores.CopyTo(choice);
        if (choiceBias is not null)
            VectorMath.Add(choice, choiceBias, choice);
        if (config.TopkMethod != "greedy")
            ClearOtherGroups(choice);
        TakeBest(choice, chosen, weights);
        float total = 0;
        for (int k = 0; k < chosen.Length; k++)
        {
            // The bias steers the choice only.
            if (choiceBias is not null)
                weights[k] = scores[chosen[k]];
            total += weights[k];
        }

        bool isNormalized = config.NormTopkProb && chosen.Length > 1;
        foreach (ref float weight in weights)
            weight = (isNormalized ? weight / (total + 1e-20f) : weight) * config.RoutedScalingFactor;
    }

    /// <summary>Sets the scores outside of the best groups to 0. A group is as good as its best expert, or with a choice bias as its best two.</summary>
    private void ClearOtherGroups(Span<float> choice)
    {
        int size = choice.Length / config.NGroup;
        Span<float> groups = stackalloc float[config.NGroup], copy = stackalloc float[size], best = stackalloc float[choiceBias is null ? 1 : 2];
        Span<int> indices = stackalloc int[Math.Max(best.Length, config.TopkGroup)];
        for (int g = 0; g < groups.Length; g++)
        {
            choice.Slice(g * size, size).CopyTo(copy);
            TakeBest(copy, indices[..best.Length], best);
            groups[g] = VectorMath.Sum(best);
        }

        Span<int> kept = indices[..config.TopkGroup];
        TakeBest(groups, kept, stackalloc float[kept.Length]);
        for (int g = 0; g < groups.Length; g++)
        {
            if (!kept.Contains(g))
                choice.Slice(g * size, size).Clear();
        }
    }

    /// <summary>The largest values, largest first, the earlier of equal ones.</summary>
    private static void TakeBest(Span<float> values, Span<int> indices, Span<float> best)
    {
        for (int k = 0; k < indices.Length; k++)
        {
            int top = -1;
            for (int i = 0; i < values.Length; i++)
            {
                if (!indices[..k].Contains(i) && (top < 0 || values[i] > values[top]))
                    top = i;
            }

            (indices[k], best[k]) = (top, values[top]);
        }
    }
}
