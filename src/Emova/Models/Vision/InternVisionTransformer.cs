using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>Dimensions of an <see cref="InternVisionTransformer"/>; defaults are those of InternViT-6B-448px-V1-5.</summary>
public sealed record InternVisionConfig : TileEncoderConfig
{
    /// <summary>Creates the dimensions of InternViT-6B-448px-V1-5.</summary>
    public InternVisionConfig() =>
        (HiddenSize, IntermediateSize, NumHiddenLayers, NumAttentionHeads, ImageSize, PatchSize) = (3200, 12800, 45, 25, 448, 14);

    /// <summary>InternViT-300M-448px.</summary>
    public static InternVisionConfig Intern300M { get; } = new()
    {
        HiddenSize = 1024,
        IntermediateSize = 4096,
        NumHiddenLayers = 24,
        NumAttentionHeads = 16,
        UseRmsNorm = false,
        QkNormalization = false,
        QkvBias = true,
    };

    /// <summary>RMSNorm (<c>norm_type</c> rms_norm) instead of LayerNorm in the blocks.</summary>
    public bool UseRmsNorm { get; init; } = true;

    /// <summary>Whether queries and keys have an RMSNorm over all heads.</summary>
    public bool QkNormalization { get; init; } = true;

    /// <summary>Whether the joint projection of queries, keys and values has a bias.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Reads the section of the tower; keys that are absent have the values of the model named there, or of the 6B model.</summary>
    /// <exception cref="EmovaException">A value is out of range or not supported.</exception>
    public static new InternVisionConfig Read(ConfigSection section)
    {
        // A section of the origin format names the published encoder and leaves out its dimensions.
        bool small = section.Text("pretrained_model_name_or_path", "").Contains("300M", StringComparison.OrdinalIgnoreCase);
        InternVisionConfig defaults = small ? Intern300M : new InternVisionConfig();
        return ReadCommon(section, defaults) with
        {
            UseRmsNorm = section.Text("norm_type", defaults.UseRmsNorm ? "rms_norm" : "layer_norm", "rms_norm", "layer_norm") == "rms_norm",
            QkNormalization = section.Flag("qk_normalization", defaults.QkNormalization),
            QkvBias = section.Flag("qkv_bias", defaults.QkvBias),
        };
    }

    /// <inheritdoc/>
    public override TileImageProcessor CreateImageProcessor() => new(ImageSize, ImageSize, PixelNormalization.ImageNet);

    /// <inheritdoc/>
    public override InternVisionTransformer Load(WeightLoader weights) => InternVisionTransformer.Load(this, weights);
}

/// <summary>
/// InternViT (arXiv 2312.14238): class token, learned positions, pre-norm blocks with a fused projection, optional norms of
/// queries and keys, and layer scale. There is no norm after the last block.
/// </summary>
public sealed class InternVisionTransformer : TileEncoder
{
    private readonly int configuredSide;

    private InternVisionTransformer(InternVisionConfig config, PatchEmbedding embeddings, VisionBlock[] blocks)
        : base(config, embeddings, blocks) => configuredSide = config.PatchesPerSide;

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the encoder's names (<c>model.vision_tower.vision_tower</c>).</param>
    public static InternVisionTransformer Load(InternVisionConfig config, WeightLoader weights)
    {
        WeightLoader embeddings = weights.Push("embeddings"), layers = weights.Push("encoder").Push("layers");
        int dim = config.HiddenSize, side = config.PatchesPerSide;
        PatchEmbedding patches = new(
            embeddings.GetKernel("patch_embedding", bias: true, dim, 3, config.PatchSize, config.PatchSize),
            config.PatchSize,
            embeddings.Get("class_embedding", 1, 1, dim),
            embeddings.Get("position_embedding", 1, side * side + 1, dim));
        // Blocks behind the selected hidden state are checked with the rest and not kept.
        VisionBlock[] blocks = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => LoadBlock(config, layers.Push(i)))];
        return new InternVisionTransformer(config, patches, blocks[..config.UsedLayers]);
    }

    /// <summary>Encodes pictures of one size, which need not be the configured one: the positions are then interpolated.</summary>
    /// <param name="pixels">Normalized pixels (tiles, 3, height, width).</param>
    /// <param name="height">Rows, at least one patch.</param>
    /// <param name="width">Columns, at least one patch.</param>
    /// <param name="probe">Receives intermediate results, as in <see cref="TileEncoder.Encode"/>.</param>
    /// <returns>(tiles, patches in raster order, HiddenSize), with a class token in front if the configuration keeps it.</returns>
    public float[] Encode(ReadOnlySpan<float> pixels, int height, int width, ActivationProbe? probe = null)
    {
        int patch = Config.PatchSize;
        ArgumentOutOfRangeException.ThrowIfLessThan(height, patch);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, patch);
        float[] positions = PositionInterpolation.Resize(Embeddings.Positions, Config.HiddenSize, configuredSide, height / patch, width / patch);
        return Run(Embeddings.Forward(pixels, height, width, positions), Embeddings.TokenCount(height, width), probe);
    }

    private static VisionBlock LoadBlock(InternVisionConfig config, WeightLoader weights)
    {
        int dim = config.HiddenSize;
        WeightLoader attention = weights.Push("attn");
        return new VisionBlock
        {
            Norm1 = Norm("norm1"),
            Attention = new VisionAttention(
                attention.GetLinear("qkv", 3 * dim, dim, config.QkvBias), attention.GetLinear("proj", dim, dim), config.NumAttentionHeads)
            {
                QueryNorm = config.QkNormalization ? VisionNorm.RmsNorm(attention, "q_norm", dim, config.LayerNormEps) : null,
                KeyNorm = config.QkNormalization ? VisionNorm.RmsNorm(attention, "k_norm", dim, config.LayerNormEps) : null,
            },
            Scale1 = weights.Get("ls1", dim),
            Norm2 = Norm("norm2"),
            Mlp = VisionMlp.Load(weights.Push("mlp"), dim, config.IntermediateSize, VisionActivations.Find(config.HiddenAct)),
            Scale2 = weights.Get("ls2", dim),
        };

        VisionNorm Norm(string name) => config.UseRmsNorm
            ? VisionNorm.RmsNorm(weights, name, dim, config.LayerNormEps)
            : VisionNorm.LayerNorm(weights, name, dim, config.LayerNormEps);
    }
}
