using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Vision;

/// <summary>
/// Dimensions that the encoders of square pictures of one size have in common, under the names of their Hugging Face
/// configurations.
/// </summary>
public abstract record TileEncoderConfig : VisionTowerConfig
{
    /// <summary>Width D of the blocks and of the features.</summary>
    public int HiddenSize { get; init; }

    /// <summary>Feed-forward width.</summary>
    public int IntermediateSize { get; init; }

    /// <summary>Number of blocks in the configuration; see <see cref="UsedLayers"/>.</summary>
    public int NumHiddenLayers { get; init; }

    /// <summary>Attention heads, a divisor of <see cref="HiddenSize"/>.</summary>
    public int NumAttentionHeads { get; init; }

    /// <summary>Side of a tile in pixels.</summary>
    public int ImageSize { get; init; }

    /// <summary>Side of a patch in pixels, at most <see cref="ImageSize"/>.</summary>
    public int PatchSize { get; init; }

    /// <summary>Activation of the feed-forward layers: gelu, gelu_pytorch_tanh or quick_gelu.</summary>
    public string HiddenAct { get; init; } = "gelu";

    /// <summary>Epsilon of all norms.</summary>
    public float LayerNormEps { get; init; } = 1e-6f;

    /// <summary>
    /// Which hidden state becomes the features: 0 is the embeddings, n the output of block n, negative numbers count from the
    /// end (-1 is the output of the last block).
    /// </summary>
    public int SelectLayer { get; init; } = -1;

    /// <summary>Whether the class token stays in front of the patches (<c>cls_patch</c>).</summary>
    public bool KeepClassToken { get; init; }

    /// <summary>Number of blocks that run to give the selected hidden state.</summary>
    public virtual int UsedLayers => SelectLayer >= 0 ? SelectLayer : NumHiddenLayers + 1 + SelectLayer;

    /// <summary>Patches per side of a tile; pixels beyond the last whole patch are not looked at.</summary>
    public int PatchesPerSide => ImageSize / PatchSize;

    /// <inheritdoc/>
    public override int FeatureSize => HiddenSize;

    /// <summary>The picture preprocessing that belongs to the encoder.</summary>
    public abstract TileImageProcessor CreateImageProcessor();

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="weights">Positioned at the encoder's names (<c>model.vision_tower.vision_tower</c>).</param>
    public abstract TileEncoder Load(WeightLoader weights);

    /// <summary>Reads the common keys; those that are absent keep the value of <paramref name="defaults"/>.</summary>
    private protected static TConfig ReadCommon<TConfig>(ConfigSection section, TConfig defaults)
        where TConfig : TileEncoderConfig
    {
        TileEncoderConfig config = (TileEncoderConfig)defaults with
        {
            HiddenSize = section.WholeNumber("hidden_size", 1, 1 << 16, defaults.HiddenSize),
            IntermediateSize = section.WholeNumber("intermediate_size", 1, 1 << 18, defaults.IntermediateSize),
            NumHiddenLayers = section.WholeNumber("num_hidden_layers", 1, 1000, defaults.NumHiddenLayers),
            NumAttentionHeads = section.WholeNumber("num_attention_heads", 1, 1024, defaults.NumAttentionHeads),
            ImageSize = section.WholeNumber("image_size", 1, 4096, defaults.ImageSize),
            PatchSize = section.WholeNumber("patch_size", 1, 256, defaults.PatchSize),
            HiddenAct = section.Text("hidden_act", defaults.HiddenAct, VisionActivations.Names),
            LayerNormEps = (float)section.Number("layer_norm_eps", 0, 1, defaults.LayerNormEps),
            KeepClassToken = section.Text("mm_vision_select_feature", "patch", "patch", "cls_patch") == "cls_patch",
        };
        int layers = config.NumHiddenLayers;
        config = config with { SelectLayer = section.WholeNumber("mm_vision_select_layer", -layers - 1, layers, defaults.SelectLayer) };
        if (config.HiddenSize % config.NumAttentionHeads != 0)
            throw new EmovaException($"vision configuration: hidden_size {config.HiddenSize} must be a multiple of num_attention_heads {config.NumAttentionHeads}");
        if (config.PatchSize > config.ImageSize)
            throw new EmovaException($"vision configuration: patch_size {config.PatchSize} must not exceed image_size {config.ImageSize}");
        return (TConfig)config;
    }
}
