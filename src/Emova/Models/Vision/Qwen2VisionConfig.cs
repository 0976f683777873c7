using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>Dimensions of a <see cref="Qwen2VisionTransformer"/>; defaults are those of Qwen2-ViT 600M.</summary>
public sealed record Qwen2VisionConfig : VisionTowerConfig
{
    // More than any published configuration (16384 tokens, 12.8 million pixels): a small picture is scaled up to min_pixels.
    private const int MaxPicturePixels = 1 << 24;

    /// <summary>Number of blocks.</summary>
    public int Depth { get; init; } = 32;

    /// <summary>Width of the blocks.</summary>
    public int EmbedDim { get; init; } = 1280;

    /// <summary>Width of the merger's output.</summary>
    public int HiddenSize { get; init; } = 3584;

    /// <summary>Activation of the feed-forward layers: gelu, gelu_pytorch_tanh or quick_gelu.</summary>
    public string HiddenAct { get; init; } = "quick_gelu";

    /// <summary>Feed-forward width divided by <see cref="EmbedDim"/>.</summary>
    public int MlpRatio { get; init; } = 4;

    /// <summary>Attention heads; the head width must be a multiple of 4.</summary>
    public int NumHeads { get; init; } = 16;

    /// <summary>Side of a patch in pixels.</summary>
    public int PatchSize { get; init; } = 14;

    /// <summary>Side of a merge block in patches: its patches become one output token.</summary>
    public int SpatialMergeSize { get; init; } = 2;

    /// <summary>Frames per patch.</summary>
    public int TemporalPatchSize { get; init; } = 2;

    /// <summary>Smallest area pictures are scaled to, in pixels.</summary>
    public int MinPixels { get; init; } = 4 * 28 * 28;

    /// <summary>Largest area pictures are scaled to, in pixels.</summary>
    public int MaxPixels { get; init; } = 4096 * 28 * 28;

    /// <summary>Values per patch row.</summary>
    public int PatchDim => 3 * TemporalPatchSize * PatchSize * PatchSize;

    /// <summary>Patches per output token.</summary>
    public int MergeArea => SpatialMergeSize * SpatialMergeSize;

    /// <inheritdoc/>
    public override int FeatureSize => HiddenSize;

    /// <summary>Width of a head.</summary>
    public int HeadDim => EmbedDim / NumHeads;

    /// <summary>Reads the section <c>vision_config</c>; keys that are absent have the defaults.</summary>
    /// <exception cref="EmovaException">A value is out of range or not supported.</exception>
    public static new Qwen2VisionConfig Read(ConfigSection section)
    {
        section.Text("type", "Qwen2VisionTower", "Qwen2VisionTower");
        section.WholeNumber("in_channels", 3, 3, 3);
        Qwen2VisionConfig defaults = new();
        Qwen2VisionConfig config = new()
        {
            Depth = section.WholeNumber("depth", 1, 1000, defaults.Depth),
            EmbedDim = section.WholeNumber("embed_dim", 4, 1 << 16, defaults.EmbedDim),
            HiddenSize = section.WholeNumber("hidden_size", 1, 1 << 16, defaults.HiddenSize),
            HiddenAct = section.Text("hidden_act", defaults.HiddenAct, VisionActivations.Names),
            MlpRatio = section.WholeNumber("mlp_ratio", 1, 64, defaults.MlpRatio),
            NumHeads = section.WholeNumber("num_heads", 1, 1024, defaults.NumHeads),
            PatchSize = section.WholeNumber("patch_size", 1, 64, defaults.PatchSize),
            SpatialMergeSize = section.WholeNumber("spatial_merge_size", 1, 8, defaults.SpatialMergeSize),
            TemporalPatchSize = section.WholeNumber("temporal_patch_size", 1, 8, defaults.TemporalPatchSize),
            MinPixels = section.WholeNumber("min_pixels", 1, MaxPicturePixels, defaults.MinPixels),
            MaxPixels = section.WholeNumber("max_pixels", 1, MaxPicturePixels, defaults.MaxPixels),
        };
        if (config.MinPixels > config.MaxPixels)
            throw new EmovaException($"vision configuration: min_pixels {config.MinPixels} must not exceed max_pixels {config.MaxPixels}");
        // Rotary angles split a head in halves for pairs and again for rows and columns.
        if (config.EmbedDim % config.NumHeads != 0 || config.HeadDim % 4 != 0)
            throw new EmovaException($"vision configuration: embed_dim {config.EmbedDim} must be a multiple of 4 times num_heads {config.NumHeads}");
        return config;
    }

    /// <summary>The picture preprocessing that belongs to these dimensions.</summary>
    public Qwen2ImageProcessor CreateImageProcessor() => new()
    {
        PatchSize = PatchSize,
        SpatialMergeSize = SpatialMergeSize,
        TemporalPatchSize = TemporalPatchSize,
        MinPixels = MinPixels,
        MaxPixels = MaxPixels,
    };
}
