using Emova.Checkpoints;

namespace Emova.Models.Language;

/// <summary>Dimensions of a DeepSeek-V2 decoder (arXiv 2405.04434): compressed keys and values, and experts.</summary>
public sealed record DeepSeekV2Config : LanguageConfig
{
    /// <summary>Whether attention goes through compressed keys and values (MLA); the model of DeepSeek-VL2-tiny does without.</summary>
    public bool UseMla { get; init; } = true;

    /// <summary>Width of the compressed queries; null when queries are not compressed.</summary>
    public int? QLoraRank { get; init; }

    /// <summary>Width of the compressed keys and values.</summary>
    public int KvLoraRank { get; init; } = 512;

    /// <summary>Part of a query or key head that does not turn with the position.</summary>
    public int QkNopeHeadDim { get; init; } = 128;

    /// <summary>Part of a query or key head that turns; all key heads share it.</summary>
    public int QkRopeHeadDim { get; init; } = 64;

    /// <summary>Width of a value head.</summary>
    public int VHeadDim { get; init; } = 128;

    /// <summary>Whether the attention's projections have biases.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Experts to choose from; 0 makes all layers dense.</summary>
    public int NRoutedExperts { get; init; }

    /// <summary>Experts every row passes, as one network of that many times the width; 0 for none.</summary>
    public int NSharedExperts { get; init; }

    /// <summary>Experts chosen per row.</summary>
    public int NumExpertsPerTok { get; init; }

    /// <summary>Width of one expert.</summary>
    public int MoeIntermediateSize { get; init; }

    /// <summary>The first so many layers are dense.</summary>
    public int FirstKDenseReplace { get; init; }

    /// <summary>Of the other layers, those whose number this divides have experts.</summary>
    public int MoeLayerFreq { get; init; } = 1;

    /// <summary>How experts are chosen: greedy, group_limited_greedy or noaux_tc.</summary>
    public string TopkMethod { get; init; } = "greedy";

    /// <summary>Groups of experts; used by the grouped methods.</summary>
    public int NGroup { get; init; } = 1;

    /// <summary>Groups from which a row may choose.</summary>
    public int TopkGroup { get; init; } = 1;

    /// <summary>Whether the weights of the chosen experts are divided by their sum.</summary>
    public bool NormTopkProb { get; init; }

    /// <summary>How router outputs become scores: softmax or sigmoid.</summary>
    public string ScoringFunc { get; init; } = "softmax";

    /// <summary>Factor on the weights of the chosen experts.</summary>
    public float RoutedScalingFactor { get; init; } = 1;

    /// <summary>Width of a query or key head.</summary>
    public int QkHeadDim => QkNopeHeadDim + QkRopeHeadDim;

    /// <inheritdoc/>
    public override int KeyDim => UseMla ? NumAttentionHeads * QkHeadDim : Plain.KeyDim;

    /// <inheritdoc/>
    public override int ValueDim => UseMla ? NumAttentionHeads * VHeadDim : Plain.ValueDim;

    /// <inheritdoc/>
    public override int RotaryDim => UseMla ? QkRopeHeadDim : Plain.RotaryDim;

    internal override int ProjectedWidth => UseMla
        ? (QLoraRank ?? 0) + NumAttentionHeads * QkHeadDim + KvLoraRank + QkRopeHeadDim + NumAttentionHeads * (QkNopeHeadDim + VHeadDim)
        : Plain.ProjectedWidth;

    internal override int AttendedWidth => UseMla ? ValueDim : Plain.AttendedWidth;

    // The experts of a row in a chunk: its scores, its gathered copy and the sum, next to the widest network.
    internal override int FeedForwardWidth => Math.Max(
        2 * IntermediateSize, NRoutedExperts + 2 * HiddenSize + 2 * MoeIntermediateSize * Math.Max(1, NSharedExperts));

    internal override int RoutesPerRow => NumExpertsPerTok;

    /// <summary>The same dimensions as a plain decoder, for attention without compression.</summary>
    internal DenseDecoderConfig Plain => new()
    {
        VocabSize = VocabSize, HiddenSize = HiddenSize, IntermediateSize = IntermediateSize, NumHiddenLayers = NumHiddenLayers,
        NumAttentionHeads = NumAttentionHeads, NumKeyValueHeads = NumKeyValueHeads, QkvBias = AttentionBias, OutputBias = AttentionBias,
    };

    /// <summary>Whether a layer has experts.</summary>
    public bool HasExperts(int layer) => NRoutedExperts > 0 && layer >= FirstKDenseReplace && layer % MoeLayerFreq == 0;

    internal static DeepSeekV2Config Read(ConfigSection section)
    {
        section.Text("hidden_act", "silu", "silu");
        bool mla = section.Flag("use_mla", true);
        int smallest = mla ? 1 : 0, heads = section.WholeNumber("num_attention_heads", 1, 1024, 32);
        DeepSeekV2Config config = new()
        {
            VocabSize = section.WholeNumber("vocab_size", 1, 1 << 24, 102400),
            HiddenSize = section.WholeNumber("hidden_size", 2, 1 << 16, 4096),
            IntermediateSize = section.WholeNumber("intermediate_size", 1, 1 << 20, 11008),
            NumHiddenLayers = section.WholeNumber("num_hidden_layers", 1, 1000, 30),
            NumAttentionHeads = heads,
            NumKeyValueHeads = section.WholeNumber("num_key_value_heads", 1, 1024, heads),
            RopeTheta = section.Number("rope_theta", 1, 1e12, 10000),
            RopeScaling = mla ? RopeScaling.Read(section, "linear", "yarn") : RopeScaling.Read(section, "linear", "llama3"),
            RmsNormEps = (float)section.Number("rms_norm_eps", 0, 1, 1e-6),
            MaxPositionEmbeddings = section.WholeNumber("max_position_embeddings", 1, 1 << 24, 2048),
            DefaultTemplate = "deepseek",
            UseMla = mla,
            // The class default is 1536; a model without compressed queries says null.
            QLoraRank = section.Json.TryGetProperty("q_lora_rank", out _) && !section.Has("q_lora_rank") ? null : section.WholeNumber("q_lora_rank", 1, 1 << 16, 1536),
            KvLoraRank = section.WholeNumber("kv_lora_rank", smallest, 1 << 16, mla ? 512 : 0),
            QkNopeHeadDim = section.WholeNumber("qk_nope_head_dim", 0, 1 << 12, 128),
            QkRopeHeadDim = section.WholeNumber("qk_rope_head_dim", 2 * smallest, 1 << 12, 64),
            VHeadDim = section.WholeNumber("v_head_dim", smallest, 1 << 12, 128),
            AttentionBias = section.Flag("attention_bias", false),
            NRoutedExperts = section.WholeNumber("n_routed_experts", 1, 1 << 12, 0),
            NSharedExperts = section.WholeNumber("n_shared_experts", 1, 1 << 8, 0),
            NumExpertsPerTok = section.WholeNumber("num_experts_per_tok", 1, 1 << 8, 0),
            MoeIntermediateSize = section.WholeNumber("moe_intermediate_size", 1, 1 << 20, 1407),
            FirstKDenseReplace = section.WholeNumber("first_k_dense_replace", 0, 1000, 0),
            MoeLayerFreq = section.WholeNumber("moe_layer_freq", 1, 1000, 1),
            TopkMethod = section.Text("topk_method", "greedy", "greedy", "group_limited_greedy", "noaux_tc"),
            NGroup = section.WholeNumber("n_group", 1, 1 << 12, 1),
            TopkGroup = section.WholeNumber("topk_group", 1, 1 << 12, 1),
            NormTopkProb = section.Flag("norm_topk_prob", false),
            ScoringFunc = section.Text("scoring_func", "softmax", "softmax", "sigmoid"),
            RoutedScalingFactor = (float)section.Number("routed_scaling_factor", -1e6, 1e6, 1),
        };
        if (mla ? config.QkRopeHeadDim % 2 != 0 : config.HiddenSize % heads != 0 || config.Plain.HeadDim % 2 != 0)
        {
            throw Invalid(mla
                ? $"qk_rope_head_dim {config.QkRopeHeadDim} must be even"
                : $"hidden_size {config.HiddenSize} must be an even multiple of num_attention_heads {heads}");
        }

        if (heads % config.NumKeyValueHeads != 0)
            throw Invalid($"num_attention_heads {heads} must be a multiple of num_key_value_heads {config.NumKeyValueHeads}");
        if (config.NRoutedExperts > 0 && (config.NumExpertsPerTok < 1 || config.NumExpertsPerTok > config.NRoutedExperts))
            throw Invalid($"num_experts_per_tok {config.NumExpertsPerTok} must be 1 to n_routed_experts {config.NRoutedExperts}");
        if (config.TopkMethod != "greedy" && (config.NRoutedExperts % config.NGroup != 0 || config.TopkGroup > config.NGroup))
            throw Invalid($"n_group {config.NGroup} must divide n_routed_experts {config.NRoutedExperts} and be at least topk_group {config.TopkGroup}");
        if (config.TopkMethod == "noaux_tc" && config.NRoutedExperts / config.NGroup < 2)
            throw Invalid($"topk_method noaux_tc needs two experts per group, n_group is {config.NGroup} for n_routed_experts {config.NRoutedExperts}");
        return config;
    }

    internal override DecoderLayer LoadLayer(WeightLoader weights, int index) => new(
        this, weights, index,
        UseMla ? new LatentAttention(this, weights.Push("self_attn"), index) : new GroupedQueryAttention(Plain, weights.Push("self_attn"), index),
        HasExperts(index) ? new MixtureOfExperts(this, weights.Push("mlp"), index) : new GatedFeedForward(weights.Push("mlp"), HiddenSize, IntermediateSize));
}
