using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>Dimensions of a <see cref="ClipVisionTransformer"/>; defaults are those of CLIP ViT-L/14 at 336 pixels.</summary>
public sealed record ClipVisionConfig : TileEncoderConfig
{
    /// <summary>Creates the dimensions of CLIP ViT-L/14 at 336 pixels.</summary>
    public ClipVisionConfig() => (HiddenSize, IntermediateSize, NumHiddenLayers, NumAttentionHeads, ImageSize, PatchSize, HiddenAct, LayerNormEps) =
        (1024, 4096, 24, 16, 336, 14, "quick_gelu", 1e-5f);

    /// <summary>Reads the section of the tower; keys that are absent have the defaults.</summary>
    /// <exception cref="EmovaException">A value is out of range or not supported.</exception>
    public static new ClipVisionConfig Read(ConfigSection section) => ReadCommon(section, new ClipVisionConfig());

    /// <inheritdoc/>
    public override TileImageProcessor CreateImageProcessor() => new(ImageSize, ImageSize, PixelNormalization.Clip);

    /// <inheritdoc/>
    public override ClipVisionTransformer Load(WeightLoader weights) => ClipVisionTransformer.Load(this, weights);
}

/// <summary>
/// The vision encoder of CLIP (arXiv 2103.00020): class token, learned positions, a LayerNorm before the pre-norm blocks. EMOVA
/// takes the patches of the last but one hidden state, so the last block and the norm behind it are not computed.
/// </summary>
public sealed class ClipVisionTransformer : TileEncoder
{
    private readonly VisionNorm preNorm;

    private ClipVisionTransformer(ClipVisionConfig config, PatchEmbedding embeddings, VisionNorm preNorm, VisionBlock[] blocks)
        : base(config, embeddings, blocks) => this.preNorm = preNorm;

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the encoder's names (<c>model.vision_tower.vision_tower</c>).</param>
    public static ClipVisionTransformer Load(ClipVisionConfig config, WeightLoader weights)
    {
        WeightLoader model = weights.Push("vision_model"), embeddings = model.Push("embeddings"), layers = model.Push("encoder").Push("layers");
        int dim = config.HiddenSize, side = config.PatchesPerSide;
        PatchEmbedding patches = new(
            embeddings.GetKernel("patch_embedding", bias: false, dim, 3, config.PatchSize, config.PatchSize),
            config.PatchSize,
            embeddings.Get("class_embedding", dim),
            embeddings.Get("position_embedding.weight", side * side + 1, dim));
        embeddings.Ignore("position_ids"); // 0, 1, 2, ...: older checkpoints store it
        VisionNorm preNorm = VisionNorm.LayerNorm(model, "pre_layrnorm", dim, config.LayerNormEps); // spelled so in every checkpoint
        // What lies behind the selected hidden state is checked with the rest and not kept.
        VisionBlock[] blocks = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => LoadBlock(config, layers.Push(i)))];
        _ = VisionNorm.LayerNorm(model, "post_layernorm", dim, config.LayerNormEps);
        return new ClipVisionTransformer(config, patches, preNorm, blocks[..config.UsedLayers]);
    }

    private protected override void BeforeBlocks(float[] x) => preNorm.Rows(x, x);

    /// <summary>A block under the Hugging Face names, which SigLIP shares.</summary>
    internal static VisionBlock LoadBlock(TileEncoderConfig config, WeightLoader weights)
    {
        int dim = config.HiddenSize;
        WeightLoader attention = weights.Push("self_attn");
        return new VisionBlock
        {
            Norm1 = VisionNorm.LayerNorm(weights, "layer_norm1", dim, config.LayerNormEps),
            Attention = new VisionAttention(
                attention.GetFusedLinear(dim, bias: true, ("q_proj", dim), ("k_proj", dim), ("v_proj", dim)),
                attention.GetLinear("out_proj", dim, dim),
                config.NumAttentionHeads),
            Norm2 = VisionNorm.LayerNorm(weights, "layer_norm2", dim, config.LayerNormEps),
            Mlp = VisionMlp.Load(weights.Push("mlp"), dim, config.IntermediateSize, VisionActivations.Find(config.HiddenAct)),
        };
    }
}
