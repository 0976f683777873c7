using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>Causal attention of Qwen2 and LLaMA: several query heads share a key and value head, all of a head turns with the position.</summary>
internal sealed class GroupedQueryAttention(DenseDecoderConfig config, WeightLoader weights, int index) : ISublayer, IAttention
{
    private readonly LinearWeight qkv = weights.GetFusedLinear(
        config.HiddenSize, config.QkvBias, ("q_proj", config.QueryDim), ("k_proj", config.KeyDim), ("v_proj", config.ValueDim));

    private readonly LinearWeight output = weights.GetLinear("o_proj", config.HiddenSize, config.QueryDim, config.OutputBias);

    private int Stride => config.QueryDim + 2 * config.KeyDim;

    public void Forward(Span<float> rowsInOut, DecodeBatch batch)
    {
        DecoderScratch scratch = batch.Scratch;
        int rows = batch.Rows, half = config.HeadDim / 2, queryDim = config.QueryDim, keyDim = config.KeyDim;
        float[] fused = scratch.Projected; // (rows, [q | k | v])
        qkv.Multiply(rowsInOut, rows, config.HiddenSize, fused, Stride);
        // Queries and keys lie side by side and turn by the same angles.
        RotaryEmbedding.RotateRows(fused, Stride, queryDim + keyDim, rows, scratch.Cos, scratch.Sin, half);
        foreach (BatchEntry entry in batch.Entries)
        {
            for (int i = 0; i < entry.Rows; i++)
            {
                ReadOnlySpan<float> row = fused.AsSpan((entry.FirstRow + i) * Stride, Stride);
                entry.Cache.Set(index, entry.Cache.Length + i, row.Slice(queryDim, keyDim), row[(queryDim + keyDim)..]);
            }
        }

        scratch.Probe?.Invoke($"layer{index}.qkv", fused.AsSpan(0, rows * Stride));
        batch.AttendEach(this);
        output.Multiply(scratch.Attended, rows, queryDim, rowsInOut, config.HiddenSize);
    }

    public void Attend(in BatchEntry entry, DecoderScratch scratch)
    {
        entry.Cache.Attend(
            index, scratch.Projected.AsSpan(entry.FirstRow * Stride), Stride, scratch.Attended.AsSpan(entry.FirstRow * config.QueryDim), config.QueryDim,
            entry.Rows, config.NumAttentionHeads, 1 / MathF.Sqrt(config.HeadDim));
    }
}

/// <summary>down(silu(gate(x)) * up(x)).</summary>
internal sealed class GatedFeedForward(WeightLoader weights, int hiddenSize, int intermediateSize, bool bias = false) : ISublayer
{
    private readonly LinearWeight gateUp = weights.GetFusedLinear(hiddenSize, bias, ("gate_proj", intermediateSize), ("up_proj", intermediateSize));
    private readonly LinearWeight down = weights.GetLinear("down_proj", hiddenSize, intermediateSize, bias);

    public void Forward(Span<float> rowsInOut, DecodeBatch batch) => Forward(rowsInOut, batch.Rows, batch.Scratch.FeedForward);

    /// <param name="rowsInOut">(rows, D).</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="fused">Room for (rows, [gate | up]).</param>
    public void Forward(Span<float> rowsInOut, int rows, Span<float> fused)
    {
        int wide = intermediateSize;
        gateUp.Multiply(rowsInOut, rows, hiddenSize, fused, 2 * wide);
        down.MultiplyGated(fused, rows, rowsInOut, hiddenSize);
    }
}
