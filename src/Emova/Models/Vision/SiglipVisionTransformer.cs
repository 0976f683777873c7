using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>Dimensions of a <see cref="SiglipVisionTransformer"/>; defaults are those of SigLIP so400m/14 at 384 pixels.</summary>
public sealed record SiglipVisionConfig : TileEncoderConfig
{
    /// <summary>Creates the dimensions of SigLIP so400m/14 at 384 pixels.</summary>
    public SiglipVisionConfig() => (HiddenSize, IntermediateSize, NumHiddenLayers, NumAttentionHeads, ImageSize, PatchSize, HiddenAct, LayerNormEps) =
        (1152, 4304, 27, 16, 384, 14, "gelu_pytorch_tanh", 1e-6f);

    /// <summary>All blocks but the last, which EMOVA removes.</summary>
    public override int UsedLayers => NumHiddenLayers - 1;

    /// <summary>Reads the section of the tower; keys that are absent have the defaults.</summary>
    /// <exception cref="EmovaException">A value is out of range or not supported.</exception>
    public static new SiglipVisionConfig Read(ConfigSection section) => ReadCommon(section, new SiglipVisionConfig());

    /// <inheritdoc/>
    public override TileImageProcessor CreateImageProcessor() => new(ImageSize, ImageSize, PixelNormalization.Half) { KeepAspectRatio = false };

    /// <inheritdoc/>
    public override SiglipVisionTransformer Load(WeightLoader weights) => SiglipVisionTransformer.Load(this, weights);
}

/// <summary>
/// The vision encoder of SigLIP (arXiv 2303.15343): learned positions, no class token, pre-norm blocks. EMOVA removes the last
/// block and the pooling head, and takes the features before the final norm.
/// </summary>
public sealed class SiglipVisionTransformer : TileEncoder
{
    private SiglipVisionTransformer(SiglipVisionConfig config, PatchEmbedding embeddings, VisionBlock[] blocks)
        : base(config, embeddings, blocks)
    {
    }

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the encoder's names (<c>model.vision_tower.vision_tower</c>).</param>
    public static SiglipVisionTransformer Load(SiglipVisionConfig config, WeightLoader weights)
    {
        WeightLoader model = weights.Push("vision_model"), embeddings = model.Push("embeddings"), layers = model.Push("encoder").Push("layers");
        int dim = config.HiddenSize, side = config.PatchesPerSide;
        PatchEmbedding patches = new(
            embeddings.GetKernel("patch_embedding", bias: true, dim, 3, config.PatchSize, config.PatchSize),
            config.PatchSize,
            classToken: null,
            embeddings.Get("position_embedding.weight", side * side, dim));
        VisionBlock[] blocks = [.. Enumerable.Range(0, config.UsedLayers).Select(i => ClipVisionTransformer.LoadBlock(config, layers.Push(i)))];
        _ = VisionNorm.LayerNorm(model, "post_layernorm", dim, config.LayerNormEps);
        // Present in the published encoder, absent once EMOVA saved it.
        embeddings.Ignore("position_ids");
        layers.Ignore($"{config.UsedLayers}");
        model.Ignore("head");
        return new SiglipVisionTransformer(config, patches, blocks);
    }
}
