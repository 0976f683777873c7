using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Language;

/// <summary>
/// Dimensions of a <see cref="LanguageModel"/>, named as in Hugging Face configurations. The kind of decoder decides the rest:
/// <see cref="DenseDecoderConfig"/> (Qwen2, LLaMA) or <see cref="DeepSeekV2Config"/>.
/// </summary>
public abstract record LanguageConfig
{
    /// <summary>Rows of the embedding table, speech and image tokens included.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the gated feed-forward layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of layers.</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Query heads.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Key and value heads; divides <see cref="NumAttentionHeads"/>.</summary>
    public required int NumKeyValueHeads { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 1_000_000;

    /// <summary>How the rotary frequencies are stretched for long contexts; null when they are not.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Added to the mean square in the norms.</summary>
    public float RmsNormEps { get; init; } = 1e-6f;

    /// <summary>Largest number of positions the model was made for.</summary>
    public int MaxPositionEmbeddings { get; init; } = 32768;

    /// <summary>Whether the output head is the embedding table.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>The prompt template EMOVA's recipes train this kind with.</summary>
    public string DefaultTemplate { get; init; } = "qwen2";

    /// <summary>
    /// How keys and values are kept: <see cref="WeightFormat.Float32"/>, or <see cref="WeightFormat.BFloat16"/> in half the memory,
    /// which dense decoders with quantized weights do.
    /// </summary>
    public WeightFormat CacheFormat { get; init; }

    /// <summary>Keys of one position in one layer, in floats.</summary>
    public abstract int KeyDim { get; }

    /// <summary>Values of one position in one layer, in floats.</summary>
    public abstract int ValueDim { get; }

    /// <summary>Elements of a head that turn with the position.</summary>
    public abstract int RotaryDim { get; }

    /// <summary>Floats per row between the input of an attention layer and its kernel.</summary>
    internal abstract int ProjectedWidth { get; }

    /// <summary>Width of the attended values of all heads.</summary>
    internal abstract int AttendedWidth { get; }

    /// <summary>Floats per row inside of a feed-forward layer.</summary>
    internal abstract int FeedForwardWidth { get; }

    /// <summary>Experts each row is sent to; 0 without experts.</summary>
    internal virtual int RoutesPerRow => 0;

    /// <summary>
    /// Reads the section <c>text_config</c>, or a configuration of the origin format, whose root holds these keys. Absent keys have
    /// the defaults of the model's kind: exporters leave those out.
    /// </summary>
    /// <param name="section">The keys of the language model.</param>
    /// <param name="root">Where <c>tie_word_embeddings</c> is looked for when the section does not say.</param>
    /// <exception cref="EmovaException">A value is missing, out of range or not supported.</exception>
    public static LanguageConfig Read(ConfigSection section, ConfigSection? root = null)
    {
        bool tied = section.Flag("tie_word_embeddings", root?.Flag("tie_word_embeddings", false) ?? false);
        // The golden cases of DeepSeek-V2 carry no model_type; only that kind has experts or compressed keys.
        string fallback = section.Has("n_routed_experts") || section.Has("kv_lora_rank") ? "deepseek_v2" : "qwen2";
        string type = section.Text(
            "model_type", fallback, "qwen2", "emova_qwen2", "llama", "emova_llama", "deepseek_v2", "emova_deepseekv2");
        LanguageConfig config = type.Contains("deepseek", StringComparison.Ordinal)
            ? DeepSeekV2Config.Read(section)
            : DenseDecoderConfig.Read(section, isLlama: type.EndsWith("llama", StringComparison.Ordinal));
        // Four or eight bits per weight round far more than sixteen per key; long conversations are read twice as fast.
        bool isQuantized = section.Has("quantization_config") || root?.Has("quantization_config") == true;
        return config with { TieWordEmbeddings = tied, CacheFormat = isQuantized && config is DenseDecoderConfig ? WeightFormat.BFloat16 : WeightFormat.Float32 };
    }

    /// <summary>Builds one layer.</summary>
    /// <param name="weights">Positioned at the layer.</param>
    /// <param name="index">Its number, from 0.</param>
    internal abstract DecoderLayer LoadLayer(WeightLoader weights, int index);

    private protected static EmovaException Invalid(string reason) => new($"language configuration: {reason}");
}
