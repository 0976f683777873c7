using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Language;

/// <summary>Causal grouped-query self attention with rotary positions; q, k and v have a bias, o has none.</summary>
public sealed class Qwen2Attention : CheckpointModule
{
    private readonly int _heads;
    private readonly int _keyValueHeads;
    private readonly int _headSize;
    private readonly MixedLinear _query;
    private readonly MixedLinear _key;
    private readonly MixedLinear _value;
    private readonly MixedLinear _output;

    public Qwen2Attention(int hiddenSize, int numAttentionHeads, int numKeyValueHeads, double outputGain, TwinOptions options)
        : base(nameof(Qwen2Attention))
    {
        (_heads, _keyValueHeads, _headSize) = (numAttentionHeads, numKeyValueHeads, hiddenSize / numAttentionHeads);
        _query = new MixedLinear(hiddenSize, _heads * _headSize, bias: true, options);
        _key = new MixedLinear(hiddenSize, _keyValueHeads * _headSize, bias: true, options);
        _value = new MixedLinear(hiddenSize, _keyValueHeads * _headSize, bias: true, options);
        _output = new MixedLinear(_heads * _headSize, hiddenSize, bias: false, options, outputGain);
        register_module("q_proj", _query);
        register_module("k_proj", _key);
        register_module("v_proj", _value);
        register_module("o_proj", _output);
    }

    /// <param name="input">(B, T, D)</param>
    /// <param name="cos">(T, H/2) of the positions of the input</param>
    /// <param name="sin">(T, H/2)</param>
    /// <param name="cache">keys and values of earlier positions, extended by this call; null when training</param>
    /// <param name="mask">additive mask (B, 1, T, S) over all S cached positions; null = causal over the input</param>
    /// <returns>(B, T, D)</returns>
    public Tensor Forward(Tensor input, Tensor cos, Tensor sin, Qwen2LayerCache? cache, Tensor? mask)
    {
        long batch = input.shape[0], length = input.shape[1];
        Tensor query = RotaryEmbedding.Apply(Split(_query.Forward(input), _heads), cos, sin); // (B, heads, T, H)
        Tensor key = RotaryEmbedding.Apply(Split(_key.Forward(input), _keyValueHeads), cos, sin);
        Tensor value = Split(_value.Forward(input), _keyValueHeads).to(ScalarType.Float32);
        if (cache is not null)
        {
            (key, value) = cache.Append(key, value);
        }

        long groups = _heads / _keyValueHeads;
        Tensor attended = F.scaled_dot_product_attention(
            query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1), attn_mask: mask, is_casual: mask is null);
        return _output.Forward(attended.transpose(1, 2).reshape(batch, length, _heads * _headSize));

        Tensor Split(Tensor x, int heads) => x.view(batch, length, heads, _headSize).transpose(1, 2);
    }
}
