using Emova.Models.Language;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Language;

/// <summary>Gated feed-forward network: down(silu(gate(x)) * up(x)), no biases.</summary>
public sealed class Qwen2Mlp : CheckpointModule
{
    private readonly MixedLinear _gate;
    private readonly MixedLinear _up;
    private readonly MixedLinear _down;

    public Qwen2Mlp(int hiddenSize, int intermediateSize, double outputGain, TwinOptions options)
        : base(nameof(Qwen2Mlp))
    {
        _gate = new MixedLinear(hiddenSize, intermediateSize, bias: false, options);
        _up = new MixedLinear(hiddenSize, intermediateSize, bias: false, options);
        _down = new MixedLinear(intermediateSize, hiddenSize, bias: false, options, outputGain);
        register_module("gate_proj", _gate);
        register_module("up_proj", _up);
        register_module("down_proj", _down);
    }

    /// <summary>(…, D) to (…, D).</summary>
    public Tensor Forward(Tensor input) => _down.Forward(F.silu(_gate.Forward(input)) * _up.Forward(input));
}

/// <summary>Pre-norm block: x += attention(norm(x)); x += mlp(norm(x)), with dropout on both branches while training.</summary>
public sealed class Qwen2DecoderLayer : CheckpointModule
{
    private readonly RmsNorm _inputNorm;
    private readonly Qwen2Attention _attention;
    private readonly RmsNorm _postAttentionNorm;
    private readonly Qwen2Mlp _mlp;
    private readonly double _dropout;

    public Qwen2DecoderLayer(DenseDecoderConfig config, TwinOptions options)
        : base(nameof(Qwen2DecoderLayer))
    {
        _dropout = options.Dropout;

        // The branches of a deep stack add up: starting them smaller keeps the residual stream at unit scale.
        double outputGain = 1 / Math.Sqrt(2.0 * config.NumHiddenLayers);
        _inputNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps);
        _attention = new Qwen2Attention(config.HiddenSize, config.NumAttentionHeads, config.NumKeyValueHeads, outputGain, options);
        _postAttentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps);
        _mlp = new Qwen2Mlp(config.HiddenSize, config.IntermediateSize, outputGain, options);
        register_module("input_layernorm", _inputNorm);
        register_module("self_attn", _attention);
        register_module("post_attention_layernorm", _postAttentionNorm);
        register_module("mlp", _mlp);
    }

    /// <param name="x">(B, T, D)</param>
    /// <param name="cos">(T, H/2)</param>
    /// <param name="sin">(T, H/2)</param>
    /// <param name="cache">see <see cref="Qwen2Attention.Forward"/></param>
    /// <param name="mask">see <see cref="Qwen2Attention.Forward"/></param>
    /// <returns>(B, T, D)</returns>
    public Tensor Forward(Tensor x, Tensor cos, Tensor sin, Qwen2LayerCache? cache, Tensor? mask)
    {
        // Only what the backward pass needs outlives the layer: half of the memory of a step.
        using DisposeScope scope = NewDisposeScope();
        x = x.Plus(F.dropout(_attention.Forward(_inputNorm.Forward(x), cos, sin, cache, mask), _dropout, training && _dropout > 0));
        return x.Plus(F.dropout(_mlp.Forward(_postAttentionNorm.Forward(x)), _dropout, training && _dropout > 0)).MoveToOuterDisposeScope();
    }
}
