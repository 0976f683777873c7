namespace Emova.Training.Modules.Language;

/// <summary>Sizes of a Qwen2 language model; the names are those of config.json.</summary>
public sealed record Qwen2Config
{
    /// <summary>Rows of the embedding.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width D of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the feed-forward network.</summary>
    public required int IntermediateSize { get; init; }

    public required int NumHiddenLayers { get; init; }

    /// <summary>Query heads; the head size is HiddenSize divided by it.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Key and value heads, a divisor of <see cref="NumAttentionHeads"/>.</summary>
    public required int NumKeyValueHeads { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required double RopeTheta { get; init; }

    public required double RmsNormEps { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int MaxPositionEmbeddings { get; init; }
}
