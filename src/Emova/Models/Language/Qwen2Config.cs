using Emova.Checkpoints;

namespace Emova.Models.Language;

/// <summary>Dimensions of a <see cref="Qwen2Model"/>, named as in Hugging Face configurations.</summary>
public sealed record Qwen2Config
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

    /// <summary>Added to the mean square in the norms.</summary>
    public float RmsNormEps { get; init; } = 1e-6f;

    /// <summary>Largest number of positions the model was made for.</summary>
    public int MaxPositionEmbeddings { get; init; } = 32768;

    /// <summary>Whether the output head is the embedding table.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Width of a head.</summary>
    public int HeadDim => HiddenSize / NumAttentionHeads;

    /// <summary>Width of the keys (and of the values) of one position in one layer.</summary>
    public int KeyValueDim => NumKeyValueHeads * HeadDim;

    /// <summary>Reads the section <c>text_config</c>, or a configuration of the origin format, whose root holds these keys.</summary>
    /// <exception cref="EmovaException">A value is missing, out of range or not supported.</exception>
    public static Qwen2Config Read(ConfigSection section)
    {
        section.Text("model_type", "qwen2", "qwen2", "emova_qwen2");
        section.Text("hidden_act", "silu", "silu");
        if (section.Flag("use_sliding_window", false))
            throw new EmovaException("language configuration: use_sliding_window is not supported");
        if (section.Has("rope_scaling"))
            throw new EmovaException("language configuration: rope_scaling is not supported");
        int heads = section.WholeNumber("num_attention_heads", 1, 1024);
        Qwen2Config config = new()
        {
            VocabSize = section.WholeNumber("vocab_size", 1, 1 << 24),
            HiddenSize = section.WholeNumber("hidden_size", 2, 1 << 16),
            IntermediateSize = section.WholeNumber("intermediate_size", 1, 1 << 20),
            NumHiddenLayers = section.WholeNumber("num_hidden_layers", 1, 1000),
            NumAttentionHeads = heads,
            NumKeyValueHeads = section.WholeNumber("num_key_value_heads", 1, 1024, heads),
            RopeTheta = section.Number("rope_theta", 1, 1e12, 10000),
            RmsNormEps = (float)section.Number("rms_norm_eps", 0, 1, 1e-6),
            MaxPositionEmbeddings = section.WholeNumber("max_position_embeddings", 1, 1 << 24, 32768),
            TieWordEmbeddings = section.Flag("tie_word_embeddings", false),
        };
        if (config.HiddenSize % heads != 0 || config.HeadDim % 2 != 0)
            throw new EmovaException($"language configuration: hidden_size {config.HiddenSize} must be an even multiple of num_attention_heads {heads}");
        if (heads % config.NumKeyValueHeads != 0)
            throw new EmovaException($"language configuration: num_attention_heads {heads} must be a multiple of num_key_value_heads {config.NumKeyValueHeads}");
        return config;
    }
}
