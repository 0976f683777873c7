using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>Causal attention of Qwen2 and LLaMA: several query heads share a key and value head, all of a head turns with the position.</summary>
internal sealed class GroupedQueryAttention(DenseDecoderConfig config, WeightLoader weights, int index) : ISublayer
{
    private readonly LinearWeight qkv = weights.GetFusedLinear(
        config.HiddenSize, config.QkvBias, ("q_proj", config.QueryDim), ("k_proj", config.KeyDim), ("v_proj", config.ValueDim));

    private readonly LinearWeight output = weights.GetLinear("o_proj", config.HiddenSize, config.QueryDim, config.OutputBias);

    public void Forward(Span<float> rowsInOut, int rows, KvCache cache)
    {
        DecoderScratch scratch = cache.Scratch;
        int half = config.HeadDim / 2, queryDim = config.QueryDim, keyDim = config.KeyDim, stride = queryDim + 2 * keyDim;
        float[] fused = scratch.Projected; // (rows, [q | k | v])
        qkv.Multiply(rowsInOut, rows, config.HiddenSize, fused, stride);
        Span<float> keys = cache.Keys(index), values = cache.Values(index);
        for (int r = 0; r < rows; r++)
        {
            // Queries and keys lie side by side and turn by the same angles.
            Span<float> row = fused.AsSpan(r * stride, stride);
            RotaryEmbedding.Rotate(row[..(queryDim + keyDim)], scratch.Cos.AsSpan(r * half, half), scratch.Sin.AsSpan(r * half, half));
            int slot = (cache.Length + r) * keyDim;
            row.Slice(queryDim, keyDim).CopyTo(keys[slot..]);
            row[(queryDim + keyDim)..].CopyTo(values[slot..]);
        }

        scratch.Probe?.Invoke($"layer{index}.qkv", fused.AsSpan(0, rows * stride));
        AttentionKernel.Causal(
            fused, stride, keys, keyDim, values, keyDim, scratch.Attended, queryDim, rows, cache.Length,
            config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim, 1 / MathF.Sqrt(config.HeadDim));
        output.Multiply(scratch.Attended, rows, queryDim, rowsInOut, config.HiddenSize);
    }
}

/// <summary>down(silu(gate(x)) * up(x)).</summary>
internal sealed class GatedFeedForward(WeightLoader weights, int hiddenSize, int intermediateSize, bool bias = false) : ISublayer
{
    private readonly LinearWeight gateUp = weights.GetFusedLinear(hiddenSize, bias, ("gate_proj", intermediateSize), ("up_proj", intermediateSize));
    private readonly LinearWeight down = weights.GetLinear("down_proj", hiddenSize, intermediateSize, bias);

    public void Forward(Span<float> rowsInOut, int rows, KvCache cache) => Forward(rowsInOut, rows, cache.Scratch.FeedForward);

    /// <param name="rowsInOut">(rows, D).</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="fused">Room for (rows, [gate | up]).</param>
    public void Forward(Span<float> rowsInOut, int rows, Span<float> fused)
    {
        int wide = intermediateSize;
        gateUp.Multiply(rowsInOut, rows, hiddenSize, fused, 2 * wide);
        for (int r = 0; r < rows; r++)
        {
            Span<float> gate = fused.Slice(2 * r * wide, wide);
            VectorMath.SiLUMultiply(gate, fused.Slice((2 * r + 1) * wide, wide), gate);
        }

        down.Multiply(fused, rows, 2 * wide, rowsInOut, hiddenSize);
    }
}
