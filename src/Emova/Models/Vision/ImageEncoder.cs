using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>
/// A picture becomes vectors of the language model: preprocessing, vision encoder, projector, and the order in which the parts of
/// a picture are put together. Weights are read only.
/// </summary>
public abstract class ImageEncoder
{
    /// <summary>Features to vectors.</summary>
    public abstract Projector Projector { get; }

    /// <summary>Reads the weights of encoder, projector and, where the model has one, the newline vector.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="outputs">Width of the language model.</param>
    /// <param name="weights">Positioned at the model (<c>model</c>).</param>
    /// <exception cref="EmovaException">The parts do not fit each other.</exception>
    public static ImageEncoder Load(VisionConfig config, int outputs, WeightLoader weights)
    {
        WeightLoader tower = weights.Push("vision_tower").Push("vision_tower");
        if (config.Tower is Qwen2VisionConfig native)
            return new NativeImageEncoder(Qwen2VisionTransformer.Load(native, tower), LoadProjector());
        TileEncoder encoder = ((TileEncoderConfig)config.Tower).Load(tower);
        float[]? newline = config.PatchMerge == PatchMergeType.SpatialUnpad ? weights.Get("image_newline", outputs) : null;
        return new TiledImageEncoder(config, encoder, LoadProjector(), newline);

        Projector LoadProjector() => Projector.Load(config.Projector, config.Tower.FeatureSize, outputs, weights.Push("mm_projector"));
    }

    /// <summary>Encodes a picture.</summary>
    /// <returns>(tokens, width of the language model).</returns>
    /// <exception cref="EmovaException">The picture's shape is out of the range that the encoder accepts.</exception>
    public abstract float[] Encode(RgbImage image);
}

/// <summary>Pictures at native resolution: one token per 28 x 28 pixels.</summary>
public sealed class NativeImageEncoder(Qwen2VisionTransformer tower, Projector projector) : ImageEncoder
{
    /// <summary>The vision encoder.</summary>
    public Qwen2VisionTransformer Tower { get; } = tower;

    /// <inheritdoc/>
    public override Projector Projector { get; } = projector;

    /// <summary>Picture preprocessing.</summary>
    public Qwen2ImageProcessor ImageProcessor { get; } = tower.Config.CreateImageProcessor();

    /// <inheritdoc/>
    public override float[] Encode(RgbImage image) => Encode([ImageProcessor.Process(image)])[0];

    /// <summary>Encodes preprocessed pictures in one pass.</summary>
    /// <returns>For each picture (tokens, width of the language model).</returns>
    public IReadOnlyList<float[]> Encode(IReadOnlyList<ImagePatches> images)
    {
        float[] projected = Projector.Forward(Tower.Encode(images));
        List<float[]> features = [];
        int start = 0;
        foreach (ImagePatches image in images)
        {
            int length = Tower.TokenCount(image) * Projector.Outputs;
            features.Add(projected[start..(start + length)]);
            start += length;
        }

        return features;
    }
}

/// <summary>Pictures cut, padded or tiled for an encoder of one input size.</summary>
public sealed class TiledImageEncoder : ImageEncoder
{
    private readonly VisionConfig config;
    private readonly float[]? newline;

    internal TiledImageEncoder(VisionConfig config, TileEncoder tower, Projector projector, float[]? newline)
    {
        (this.config, Tower, Projector, this.newline) = (config, tower, projector, newline);
        ImageProcessor = tower.Config.CreateImageProcessor();
    }

    /// <summary>The vision encoder.</summary>
    public TileEncoder Tower { get; }

    /// <inheritdoc/>
    public override Projector Projector { get; }

    /// <summary>Picture preprocessing.</summary>
    public TileImageProcessor ImageProcessor { get; }

    /// <inheritdoc/>
    public override float[] Encode(RgbImage image)
    {
        switch (config.Fit)
        {
            case ImageFit.Pad:
                return EncodeTile(ImageProcessor.ProcessPadded(image));
            case ImageFit.Tiles:
                (int width, int height) = AnyResolution.Select(image.Width, image.Height, config.GridPinpoints);
                // One tile at a time: nine tiles together would need nine times the memory and not be faster.
                List<float[]> tiles = [.. ImageProcessor.ProcessTiles(image, (width, height)).Select(EncodeTile)];
                int side = (int)(Tower.Config.PatchesPerSide / Projector.DownsampleRatePerSide);
                return TileMerge.Merge(
                    config.PatchMerge, tiles, side, width / ImageProcessor.CropSize, image.Width, image.Height, Projector.Outputs, newline);
            default:
                return EncodeTile(ImageProcessor.Process(image));
        }
    }

    private float[] EncodeTile(float[] pixels) => Projector.Forward(Tower.Encode(pixels));
}
