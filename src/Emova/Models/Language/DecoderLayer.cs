using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>Attention or feed-forward layer: replaces normalized rows (rows, D) by its output.</summary>
internal interface ISublayer
{
    void Forward(Span<float> rowsInOut, DecodeBatch batch);
}

/// <summary>The part of an attention layer that looks at one conversation only.</summary>
internal interface IAttention
{
    /// <summary>Fills <see cref="DecoderScratch.Attended"/> for the rows of an entry, whose keys and values are in its cache.</summary>
    void Attend(in BatchEntry entry, DecoderScratch scratch);
}

/// <summary>The pre-norm layer all decoders share: x += attention(norm(x)); x += feedforward(norm(x)).</summary>
internal sealed class DecoderLayer(LanguageConfig config, WeightLoader weights, int index, ISublayer attention, ISublayer feedForward)
{
    private readonly float[] inputNorm = weights.Get("input_layernorm.weight", config.HiddenSize);
    private readonly float[] postAttentionNorm = weights.Get("post_attention_layernorm.weight", config.HiddenSize);

    public int Index => index;

    /// <summary>The linear layers that adapters can change.</summary>
    public IEnumerable<AdaptableLinear> Linears => new ISublayer[] { attention, feedForward }.OfType<IAdaptable>().SelectMany(part => part.Linears(index));

    /// <param name="x">(rows, D), the residual stream.</param>
    /// <param name="batch">What the rows are; their keys and values are stored in the caches.</param>
    public void Forward(Span<float> x, DecodeBatch batch)
    {
        DecoderScratch scratch = batch.Scratch;
        Span<float> sublayer = scratch.Normed.AsSpan(0, x.Length); // (rows, D)
        NormedRows.RmsNorm(x, inputNorm, config.RmsNormEps, sublayer);
        attention.Forward(sublayer, batch);
        scratch.Probe?.Invoke($"layer{index}.attn", sublayer);
        NormedRows.AddAndNorm(x, sublayer, config.HiddenSize, postAttentionNorm, config.RmsNormEps);
        feedForward.Forward(sublayer, batch);
        scratch.Probe?.Invoke($"layer{index}.mlp", sublayer);
        NormedRows.AddAndNorm(x, sublayer, config.HiddenSize, weight: null, config.RmsNormEps);
    }
}
