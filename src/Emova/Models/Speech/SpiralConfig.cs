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

    /// <summary>Dimensions of the published encoder (<c>40ms_multilingual_8888</c>).</summary>
    public static SpiralConfig Released { get; } = new()
    {
        Features = 128,
        Levels = [8, 8, 8, 8],
        DecoderFilters = 512,
        LabelCount = 240,
        Blocks =
        [
            new SpiralBlockConfig { Filters = [384, 512, 512], PositionKernel = 128, PositionGroups = 16, Layers = 2, IntermediateSize = 2048, Heads = 8 },
            new SpiralBlockConfig { Filters = [1536, 768], PositionKernel = 128, PositionGroups = 16, Layers = 10, IntermediateSize = 3072, Heads = 12 },
        ],
    };

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
