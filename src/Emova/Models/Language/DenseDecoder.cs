using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>Causal attention of Qwen2 and LLaMA: several query heads share a key and value head, all of a head turns with the position.</summary>
internal sealed class GroupedQueryAttention(DenseDecoderConfig config, WeightLoader weights, int index) : ISublayer, IAttention, IAdaptable
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
        batch.Multiply(qkv, rowsInOut, config.HiddenSize, fused, Stride);
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
        batch.Multiply(output, scratch.Attended, queryDim, rowsInOut, config.HiddenSize);
    }

    public void Attend(in BatchEntry entry, DecoderScratch scratch)
    {
        entry.Cache.Attend(
            index, scratch.Projected.AsSpan(entry.FirstRow * Stride), Stride, scratch.Attended.AsSpan(entry.FirstRow * config.QueryDim), config.QueryDim,
            entry.Rows, config.NumAttentionHeads, 1 / MathF.Sqrt(config.HeadDim));
    }

    public IEnumerable<AdaptableLinear> Linears(int layer) =>
    [
        new(layer, "self_attn.q_proj", qkv, 0, config.QueryDim),
        new(layer, "self_attn.k_proj", qkv, config.QueryDim, config.KeyDim),
        new(layer, "self_attn.v_proj", qkv, config.QueryDim + config.KeyDim, config.ValueDim),
        new(layer, "self_attn.o_proj", output, 0, config.HiddenSize),
    ];
}

/// <summary>down(silu(gate(x)) * up(x)).</summary>
internal sealed class GatedFeedForward(WeightLoader weights, int hiddenSize, int intermediateSize, bool bias = false) : ISublayer, IAdaptable
{
    private readonly LinearWeight gateUp = weights.GetFusedLinear(hiddenSize, bias, ("gate_proj", intermediateSize), ("up_proj", intermediateSize));
    private readonly LinearWeight down = weights.GetLinear("down_proj", hiddenSize, intermediateSize, bias);

    public void Forward(Span<float> rowsInOut, DecodeBatch batch)
    {
        Span<float> fused = batch.Scratch.FeedForward; // (rows, [gate | up])
        int wide = intermediateSize;
        if (!batch.HasAdapters)
        {
            Forward(rowsInOut, batch.Rows, fused);
            return;
        }

        // Adapters need the gated values themselves, not only what they are rounded to on the way.
        batch.Multiply(gateUp, rowsInOut, hiddenSize, fused, 2 * wide);
        GatedRows.SiLUMultiply(fused, batch.Rows, wide);
        batch.Multiply(down, fused, 2 * wide, rowsInOut, hiddenSize);
    }

    public IEnumerable<AdaptableLinear> Linears(int layer) =>
    [
        new(layer, "mlp.gate_proj", gateUp, 0, intermediateSize),
        new(layer, "mlp.up_proj", gateUp, intermediateSize, intermediateSize),
        new(layer, "mlp.down_proj", down, 0, hiddenSize),
    ];

    /// <summary>Without adapters, which do not change experts.</summary>
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
