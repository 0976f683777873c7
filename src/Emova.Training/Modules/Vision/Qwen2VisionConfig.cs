namespace Emova.Training.Modules.Vision;

/// <summary>Sizes of a Qwen2 vision tower; the names are those of config.json.</summary>
public sealed record Qwen2VisionConfig
{
    /// <summary>Number of blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>Width E of the blocks.</summary>
    public required int EmbedDim { get; init; }

    /// <summary>Width of the merger's output.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the feed-forward network relative to E.</summary>
    public required int MlpRatio { get; init; }

    public required int NumHeads { get; init; }

    /// <summary>Color channels.</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Side of a patch in pixels.</summary>
    public int PatchSize { get; init; } = 14;

    /// <summary>Side of a merged cell in patches.</summary>
    public int SpatialMergeSize { get; init; } = 2;

    /// <summary>Frames per patch; a still picture repeats its one frame.</summary>
    public int TemporalPatchSize { get; init; } = 2;
}
