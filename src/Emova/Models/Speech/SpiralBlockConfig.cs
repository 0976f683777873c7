using Emova.Checkpoints;

namespace Emova.Models.Speech;

/// <summary>One block of a <see cref="SpiralEncoder"/>: convolutions, then a transformer.</summary>
public sealed record SpiralBlockConfig
{
    /// <summary>Output channels of the convolutions; the last one has kernel 1, the others 5.</summary>
    public required IReadOnlyList<int> Filters { get; init; }

    /// <summary>Kernel of the positional convolution; even.</summary>
    public required int PositionKernel { get; init; }

    /// <summary>Groups of the positional convolution.</summary>
    public required int PositionGroups { get; init; }

    /// <summary>Transformer layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Width of the feed-forward layers.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Attention heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Channels of the transformer.</summary>
    public int HiddenSize => Filters[^1];

    internal static SpiralBlockConfig Read(ConfigSection section)
    {
        SpiralBlockConfig config = new()
        {
            Filters = SpiralConfig.Numbers(section, "filters", 1, 1 << 14, maximumCount: 8),
            PositionKernel = section.WholeNumber("conv_pos", 2, 1024),
            PositionGroups = section.WholeNumber("conv_pos_groups", 1, 1024),
            Layers = section.WholeNumber("layers", 1, 256),
            IntermediateSize = section.WholeNumber("ffn", 1, 1 << 16),
            Heads = section.WholeNumber("heads", 1, 256),
        };
        if (config.PositionKernel % 2 != 0) throw new EmovaException($"speech encoder: conv_pos must be even, is {config.PositionKernel}");
        if (config.HiddenSize % config.Heads != 0 || config.HiddenSize % config.PositionGroups != 0)
        {
            throw new EmovaException(
                $"speech encoder: the last of filters, {config.HiddenSize}, must be a multiple of heads {config.Heads} and of conv_pos_groups {config.PositionGroups}");
        }

        return config;
    }
}
