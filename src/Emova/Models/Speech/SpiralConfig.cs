using System.Text.Json;
using Emova.Checkpoints;

namespace Emova.Models.Speech;

/// <summary>Dimensions of a <see cref="SpiralEncoder"/>.</summary>
public sealed record SpiralConfig
{
    /// <summary>Mel bands.</summary>
    public required int Features { get; init; }

    /// <summary>Levels of the quantizer's components.</summary>
    public required IReadOnlyList<int> Levels { get; init; }

    /// <summary>Channels of the phone head.</summary>
    public required int DecoderFilters { get; init; }

    /// <summary>Phones of the phone head, without the blank.</summary>
    public required int LabelCount { get; init; }

    /// <summary>Convolution and transformer blocks; the first one reduces the frame rate by 2 with every convolution but its last.</summary>
    public required IReadOnlyList<SpiralBlockConfig> Blocks { get; init; }

    /// <summary>Reads the section <c>speech_encoder_config</c> (keys features, levels, dec_filters, n_labels, blocks).</summary>
    /// <exception cref="EmovaException">A value is missing or out of range.</exception>
    public static SpiralConfig Read(ConfigSection section)
    {
        section.Text("type", "SpiralFsqCtc", "SpiralFsqCtc");
        section.WholeNumber("sample_rate", 16000, 16000, 16000);
        SpiralConfig config = new()
        {
            Features = section.WholeNumber("features", 2, 512),
            Levels = Numbers(section, "levels", 2, 64, maximumCount: 8),
            DecoderFilters = section.WholeNumber("dec_filters", 1, 1 << 14),
            LabelCount = section.WholeNumber("n_labels", 0, 1 << 16),
            Blocks = [.. Elements(section, "blocks", 8).Select((json, i) => SpiralBlockConfig.Read(new ConfigSection($"speech encoder: blocks[{i}]", json)))],
        };
        if (config.Levels.Aggregate(1L, (product, level) => product * level) > 1 << 16)
            throw new EmovaException($"speech encoder: levels {string.Join(", ", config.Levels)} give more than {1 << 16} units");
        return config;
    }

    internal static int[] Numbers(ConfigSection section, string key, int minimum, int maximum, int maximumCount) =>
        [.. Elements(section, key, maximumCount).Select(json =>
            json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out int value) && value >= minimum && value <= maximum
                ? value
                : throw new EmovaException($"speech configuration: {key} must hold whole numbers from {minimum} to {maximum}, holds {json.GetRawText()}"))];

    private static JsonElement[] Elements(ConfigSection section, string key, int maximumCount)
    {
        if (!section.Json.TryGetProperty(key, out JsonElement list) || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() < 1 || list.GetArrayLength() > maximumCount)
            throw new EmovaException($"speech configuration: {key} must be a list of 1 to {maximumCount} elements");
        return [.. list.EnumerateArray()];
    }
}

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
