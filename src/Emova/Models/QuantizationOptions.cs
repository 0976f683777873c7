using Emova.Numerics;

namespace Emova.Models;

/// <summary>What <see cref="ModelQuantizer"/> rounds, and how far.</summary>
public sealed record QuantizationOptions
{
    /// <summary>Format of the language model's matrices: <see cref="WeightFormat.Int8"/> or <see cref="WeightFormat.Int4"/>.</summary>
    public WeightFormat Format { get; init; } = WeightFormat.Int4;

    /// <summary>
    /// Format of the embedding table and the output head. Their rows are the tokens themselves: an error there is not averaged over
    /// many inputs but changes one token's chance directly, so they keep 8 bits unless asked for less.
    /// <see cref="WeightFormat.BFloat16"/> leaves them as stored.
    /// </summary>
    public WeightFormat Embeddings { get; init; } = WeightFormat.Int8;

    /// <summary>Whether the vision encoder and the projector are rounded too.</summary>
    public bool IncludesVision { get; init; }

    /// <summary>Whether the speech encoder and decoder are rounded too.</summary>
    public bool IncludesSpeech { get; init; }
}
