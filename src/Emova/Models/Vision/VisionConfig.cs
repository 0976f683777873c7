using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>What makes a picture fit an encoder of one input size (<c>image_aspect_ratio</c>).</summary>
public enum ImageFit
{
    /// <summary>The encoder's own preprocessing: CLIP cuts the center, SigLIP squeezes.</summary>
    Crop,

    /// <summary>Centered on a square of the mean color (<c>pad</c>).</summary>
    Pad,

    /// <summary>Any-resolution tiling (<c>anyres</c>).</summary>
    Tiles,
}

/// <summary>Everything between a picture and the vectors that the language model sees.</summary>
public sealed record VisionConfig
{
    private const int MaxCandidates = 1000;
    private const int MaxTiles = 1024;

    /// <summary>The encoder.</summary>
    public required VisionTowerConfig Tower { get; init; }

    /// <summary>Features to vectors.</summary>
    public ProjectorConfig Projector { get; init; } = new();

    /// <summary>How pictures are fitted; not used by encoders of native resolution.</summary>
    public ImageFit Fit { get; init; }

    /// <summary>How the features of tiles are put together.</summary>
    public PatchMergeType PatchMerge { get; init; }

    /// <summary>Sizes of the tile grids in pixels, in the order that decides ties (<c>image_grid_pinpoints</c>).</summary>
    public IReadOnlyList<(int Width, int Height)> GridPinpoints { get; init; } = [];

    /// <summary>
    /// Reads the sections of the encoder and the projector, and the keys <c>image_aspect_ratio</c>, <c>mm_patch_merge_type</c> and
    /// <c>image_grid_pinpoints</c> beside them.
    /// </summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="tower">The section of the encoder.</param>
    /// <param name="projector">The section of the projector, or null for its defaults.</param>
    /// <exception cref="EmovaException">A value is out of range or not supported, or the parts do not fit each other.</exception>
    public static VisionConfig Read(ConfigSection config, ConfigSection tower, ConfigSection? projector)
    {
        VisionConfig vision = new()
        {
            Tower = VisionTowerConfig.Read(tower),
            Projector = projector is null ? new ProjectorConfig() : ProjectorConfig.Read(projector),
            Fit = config.Text("image_aspect_ratio", "square") switch { "pad" => ImageFit.Pad, "anyres" => ImageFit.Tiles, _ => ImageFit.Crop },
            PatchMerge = config.Text("mm_patch_merge_type", "flat", "flat", "spatial", "spatial_unpad") switch
            {
                "spatial" => PatchMergeType.Spatial,
                "spatial_unpad" => PatchMergeType.SpatialUnpad,
                _ => PatchMergeType.Flat,
            },
        };
        if (vision.Tower is TileEncoderConfig tiles)
        {
            if (vision.Projector.Downsamples && vision.Projector.NumInputToken != tiles.PatchesPerSide * tiles.PatchesPerSide)
            {
                throw new EmovaException(
                    $"projector configuration: num_input_token is {vision.Projector.NumInputToken}, but the encoder gives {tiles.PatchesPerSide} x {tiles.PatchesPerSide} tokens for a tile");
            }

            if (vision.Projector.Downsamples && tiles.KeepClassToken)
                throw new EmovaException("vision configuration: mm_vision_select_feature cls_patch does not go with a projector that downsamples");
            if (vision.Fit == ImageFit.Tiles)
            {
                if (tiles.KeepClassToken && vision.PatchMerge != PatchMergeType.Flat)
                    throw new EmovaException("vision configuration: mm_vision_select_feature cls_patch needs mm_patch_merge_type flat");
                return vision with { GridPinpoints = ReadPinpoints(config, tiles.ImageSize) };
            }
        }
        else if (vision.Projector.Downsamples)
        {
            throw new EmovaException($"projector configuration: {vision.Projector.Type} needs an encoder of square tiles, not one of native resolution");
        }

        return vision;
    }

    /// <summary>The list of the configuration, or the default grids.</summary>
    private static IReadOnlyList<(int Width, int Height)> ReadPinpoints(ConfigSection config, int tileSize)
    {
        const string key = "image_grid_pinpoints";
        if (!config.Has(key))
            return AnyResolution.DefaultCandidates(tileSize);
        JsonElement list = config.Json.GetProperty(key);
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() is < 1 or > MaxCandidates)
            throw new EmovaException($"configuration: {key} must be a list of 1 to {MaxCandidates} sizes [width, height]");
        return [.. list.EnumerateArray().Select(Read)];

        (int, int) Read(JsonElement size)
        {
            if (size.ValueKind == JsonValueKind.Array && size.GetArrayLength() == 2
                && Side(size[0]) is int width && Side(size[1]) is int height
                && width / tileSize * (height / tileSize) <= MaxTiles && (long)width * height <= ImageFile.DefaultMaxPixels)
                return (width, height);
            throw new EmovaException(
                $"configuration: {key} must hold sizes [width, height] in multiples of the {tileSize} pixels of a tile, of at most {MaxTiles} tiles and {ImageFile.DefaultMaxPixels} pixels, holds {Shorten(size.GetRawText())}");
        }

        int? Side(JsonElement side) =>
            side.ValueKind == JsonValueKind.Number && side.TryGetInt32(out int value) && value >= tileSize && value % tileSize == 0 && value / tileSize <= MaxTiles
                ? value
                : null;

        static string Shorten(string text) => text.Length > 80 ? text[..80] + "..." : text;
    }
}
