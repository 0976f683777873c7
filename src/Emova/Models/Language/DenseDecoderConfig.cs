using Emova.Checkpoints;

namespace Emova.Models.Language;

/// <summary>
/// Dimensions of a Qwen2 / Qwen2.5 (arXiv 2407.10671) or LLaMA-3.1 (arXiv 2407.21783) decoder. They are one architecture;
/// Qwen2 adds biases to queries, keys and values, LLaMA-3.1 scales its rotary frequencies.
/// </summary>
public sealed record DenseDecoderConfig : LanguageConfig
{
    private readonly int headDim;

    /// <summary>Width of a head; HiddenSize / NumAttentionHeads unless set.</summary>
    public int HeadDim { get => headDim == 0 ? HiddenSize / NumAttentionHeads : headDim; init => headDim = value; }

    /// <summary>Whether queries, keys and values have a bias.</summary>
    public bool QkvBias { get; init; } = true;

    /// <summary>Whether the output projection of the attention has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the feed-forward layers have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Width of the queries of all heads.</summary>
    public int QueryDim => NumAttentionHeads * HeadDim;

    /// <inheritdoc/>
    public override int KeyDim => NumKeyValueHeads * HeadDim;

    /// <inheritdoc/>
    public override int ValueDim => KeyDim;

    /// <inheritdoc/>
    public override int RotaryDim => HeadDim;

    internal override int ProjectedWidth => QueryDim + KeyDim + ValueDim;

    internal override int AttendedWidth => QueryDim;

    internal override int FeedForwardWidth => 2 * IntermediateSize;

    internal static DenseDecoderConfig Read(ConfigSection section, bool isLlama)
    {
        section.Text("hidden_act", "silu", "silu");
        if (section.Flag("use_sliding_window", false))
            throw Invalid("use_sliding_window is not supported");
        bool attentionBias = isLlama && section.Flag("attention_bias", false);
        int heads = section.WholeNumber("num_attention_heads", 1, 1024, 32);
        DenseDecoderConfig config = new()
        {
            VocabSize = section.WholeNumber("vocab_size", 1, 1 << 24, isLlama ? 32000 : 151936),
            HiddenSize = section.WholeNumber("hidden_size", 2, 1 << 16, 4096),
            IntermediateSize = section.WholeNumber("intermediate_size", 1, 1 << 20, isLlama ? 11008 : 22016),
            NumHiddenLayers = section.WholeNumber("num_hidden_layers", 1, 1000, 32),
            NumAttentionHeads = heads,
            NumKeyValueHeads = section.WholeNumber("num_key_value_heads", 1, 1024, isLlama ? heads : 32),
            HeadDim = section.WholeNumber("head_dim", 2, 1 << 12, 0),
            RopeTheta = section.Number("rope_theta", 1, 1e12, 10000),
            RopeScaling = RopeScaling.Read(section, "linear", "llama3"),
            RmsNormEps = (float)section.Number("rms_norm_eps", 0, 1, 1e-6),
            MaxPositionEmbeddings = section.WholeNumber("max_position_embeddings", 1, 1 << 24, isLlama ? 2048 : 32768),
            QkvBias = !isLlama || attentionBias,
            OutputBias = attentionBias,
            // LLaMA-2 and Vicuna have the vocabulary of 32,000 and the older template.
            DefaultTemplate = !isLlama ? "qwen2" : section.WholeNumber("vocab_size", 1, 1 << 24, 32000) < 128000 ? "v1" : "llama3",
            MlpBias = isLlama && section.Flag("mlp_bias", false),
        };
        if (!section.Has("head_dim") && (config.HiddenSize % heads != 0 || config.HeadDim % 2 != 0))
            throw Invalid($"hidden_size {config.HiddenSize} must be an even multiple of num_attention_heads {heads}");
        if (config.HeadDim % 2 != 0)
            throw Invalid($"head_dim {config.HeadDim} must be even");
        if (heads % config.NumKeyValueHeads != 0)
            throw Invalid($"num_attention_heads {heads} must be a multiple of num_key_value_heads {config.NumKeyValueHeads}");
        return config;
    }

    internal override DecoderLayer LoadLayer(WeightLoader weights, int index) => new(
        this, weights, index, new GroupedQueryAttention(this, weights.Push("self_attn"), index), new GatedFeedForward(weights.Push("mlp"), HiddenSize, IntermediateSize, MlpBias));
}
