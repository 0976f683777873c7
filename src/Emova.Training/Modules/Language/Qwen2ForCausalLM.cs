using Emova.Models.Language;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Language;

/// <summary>
/// Training twin of the Qwen2 language model. Parameters carry the checkpoint's names
/// (`model.embed_tokens.weight`, `model.layers.{i}.self_attn.q_proj.weight`, …, `model.norm.weight`,
/// and `lm_head.weight` where the output matrix is not the embedding table).
/// </summary>
public sealed class Qwen2ForCausalLM : CheckpointModule
{
    private readonly DenseDecoderConfig _config;
    private readonly TwinOptions _options;
    private readonly Parameter _embedding; // (V, D)
    private readonly Parameter _head; // (V, D), the embedding table where they are tied
    private readonly Qwen2DecoderLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly RotaryEmbedding _rotary;

    public Qwen2ForCausalLM(DenseDecoderConfig config, TwinOptions options)
        : base(nameof(Qwen2ForCausalLM))
    {
        _config = config;
        _options = options;
        _embedding = new Parameter(randn(config.VocabSize, config.HiddenSize) * 0.02);
        _head = config.TieWordEmbeddings ? _embedding : new Parameter(randn(config.VocabSize, config.HiddenSize) * 0.02);
        _layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => new Qwen2DecoderLayer(config, options))];
        _norm = new RmsNorm(config.HiddenSize, config.RmsNormEps);
        _rotary = new RotaryEmbedding(config.HiddenSize / config.NumAttentionHeads, config.RopeTheta, config.MaxPositionEmbeddings);

        ModuleGroup layers = new([.. _layers.Select((layer, i) => (i.ToString(), (nn.Module)layer))]);
        register_module("model", new ModuleGroup(("embed_tokens", new ModuleGroup("weight", _embedding)), ("layers", layers), ("norm", _norm)));
        if (!config.TieWordEmbeddings)
        {
            register_module("lm_head", new ModuleGroup("weight", _head));
        }
    }

    /// <summary>Number of layers.</summary>
    public int NumHiddenLayers => _layers.Length;

    /// <summary>Number of tokens, V.</summary>
    public long VocabularySize => _config.VocabSize;

    /// <summary>Embeddings of all tokens: (V, D).</summary>
    public Tensor EmbeddingTable => _embedding;

    /// <summary>Embedding rows of token ids (any shape), giving (…, D).</summary>
    public Tensor Embed(Tensor ids) => _embedding.index_select(0, ids.flatten()).view([.. ids.shape, _config.HiddenSize]);

    /// <summary>Hidden states after the final norm.</summary>
    /// <param name="embeddings">(B, T, D)</param>
    /// <param name="start">position of the first column</param>
    /// <param name="caches">one per layer when decoding</param>
    /// <param name="mask">additive mask (B, 1, T, S); null = causal (right padding needs none)</param>
    /// <returns>(B, T, D)</returns>
    public Tensor Hidden(Tensor embeddings, long start = 0, Qwen2LayerCache[]? caches = null, Tensor? mask = null)
    {
        (Tensor cos, Tensor sin) = _rotary.Slice(start, embeddings.shape[1]);
        Tensor x = embeddings;
        for (int i = 0; i < _layers.Length; i++)
        {
            Qwen2DecoderLayer layer = _layers[i];
            x = _options.Recompute && caches is null ? Recompute.Run(input => layer.Forward(input, cos, sin, null, mask), x) : layer.Forward(x, cos, sin, caches?[i], mask);
        }

        return _norm.Forward(x);
    }

    /// <summary>Scores of every token, float32 (…, V), of hidden states (…, D).</summary>
    public Tensor Logits(Tensor hidden) => MixedLinear.Apply(hidden, _head, null, _options.BFloat16).to(ScalarType.Float32);

    /// <summary>Sum of the negative log likelihoods of the targets. Only rows with a target reach the output matrix.</summary>
    /// <param name="hidden">(B, T, D)</param>
    /// <param name="rows">indices into the flattened B*T positions, (N)</param>
    /// <param name="targets">the token that follows each of them, (N)</param>
    /// <param name="reduction">how the N values are combined</param>
    public Tensor Loss(Tensor hidden, Tensor rows, Tensor targets, nn.Reduction reduction = nn.Reduction.Mean) =>
        F.cross_entropy(Logits(hidden.reshape(-1, _config.HiddenSize).index_select(0, rows)), targets, reduction: reduction);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _rotary.Dispose();
        }

        base.Dispose(disposing);
    }
}
