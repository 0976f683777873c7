using Emova.Checkpoints;
using Emova.Media;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// Qwen2-VL's vision encoder at native resolution (arXiv 2409.12191), as used by EMOVA: patches -> transformer with 2-D rotary
/// positions and full attention inside each picture -> merger that turns every 2x2 block of patches into one token.
/// Weights are read only, so one instance may encode on several threads at once.
/// </summary>
public sealed class Qwen2VisionTransformer
{
    private const float NormEpsilon = 1e-6f;
    private const double RopeTheta = 10000;

    private readonly LinearWeight patchEmbed;
    private readonly VisionBlock[] blocks;
    private readonly VisionNorm mergerNorm;
    private readonly LinearWeight mergerIn;
    private readonly LinearWeight mergerOut;
    private readonly float[] inverseFrequencies;

    private Qwen2VisionTransformer(Qwen2VisionConfig config, WeightLoader weights)
    {
        Config = config;
        int dim = config.EmbedDim, merged = dim * config.MergeArea;
        // The convolution's stride equals its kernel: a product with the flattened patch.
        patchEmbed = weights.GetKernel("patch_embed.proj", bias: false, dim, 3, config.TemporalPatchSize, config.PatchSize, config.PatchSize);
        blocks = [.. Enumerable.Range(0, config.Depth).Select(i => LoadBlock(config, weights.Push("blocks").Push(i)))];
        WeightLoader merger = weights.Push("merger");
        mergerNorm = VisionNorm.LayerNorm(merger, "ln_q", dim, NormEpsilon);
        mergerIn = merger.GetLinear("mlp.0", merged, merged);
        mergerOut = merger.GetLinear("mlp.2", config.HiddenSize, merged);
        inverseFrequencies = RotaryEmbedding.InverseFrequencies(config.HeadDim / 2, RopeTheta);
    }

    /// <summary>The dimensions.</summary>
    public Qwen2VisionConfig Config { get; }

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the encoder's names (<c>model.vision_tower.vision_tower</c>).</param>
    public static Qwen2VisionTransformer Load(Qwen2VisionConfig config, WeightLoader weights) => new(config, weights);

    /// <summary>Number of tokens a picture becomes.</summary>
    public int TokenCount(ImagePatches image) => image.Count / Config.MergeArea;

    /// <summary>Encodes pictures in one pass; they do not see each other.</summary>
    /// <param name="images">Patches of the pictures.</param>
    /// <param name="probe">Receives intermediate results.</param>
    /// <returns>(sum of token counts, HiddenSize): tokens of the first picture in raster order, then the second, ...</returns>
    public float[] Encode(IReadOnlyList<ImagePatches> images, ActivationProbe? probe = null)
    {
        int dim = Config.EmbedDim;
        int count = images.Sum(image => image.Count);
        float[] x = new float[count * dim]; // (S, D)
        int[] segmentEnds = new int[images.Count];
        int row = 0;
        for (int i = 0; i < images.Count; i++)
        {
            ImagePatches image = images[i];
            patchEmbed.Multiply(image.Rows, image.Count, Config.PatchDim, x.AsSpan(row * dim), dim);
            segmentEnds[i] = row += image.Count;
        }

        probe?.Invoke("patch_embed", x);
        float[] angles = RotaryAngles(images, count); // (S, headDim / 2)
        probe?.Invoke("rotary_freqs", angles);
        VisionScratch scratch = new(segmentEnds, dim, dim * Config.MlpRatio, new RotaryTable(angles, Config.HeadDim / 2));
        for (int i = 0; i < blocks.Length; i++)
            blocks[i].Forward(x, scratch, $"blocks.{i}", probe);
        return Merge(x, count, probe);
    }

    /// <summary>LayerNorm, four consecutive rows joined, two-layer perceptron.</summary>
    private float[] Merge(float[] x, int count, ActivationProbe? probe)
    {
        int merged = Config.EmbedDim * Config.MergeArea, tokens = count / Config.MergeArea;
        mergerNorm.Rows(x, x);
        probe?.Invoke("merger.ln_q", x);
        float[] hidden = new float[tokens * merged]; // (S / 4, 4 D)
        mergerIn.Multiply(x, tokens, merged, hidden, merged);
        VectorMath.Gelu(hidden, hidden);
        float[] output = new float[tokens * Config.HiddenSize];
        mergerOut.Multiply(hidden, tokens, merged, output, Config.HiddenSize);
        return output;
    }

    /// <summary>
    /// Angles of every patch, in the order of the rows (merge blocks in raster order, inside a block row by row): the first half
    /// of the frequencies turns with the patch's row, the second with its column.
    /// </summary>
    private float[] RotaryAngles(IReadOnlyList<ImagePatches> images, int count)
    {
        int half = Config.HeadDim / 2, merge = Config.SpatialMergeSize;
        float[] angles = new float[count * half];
        int position = 0;
        foreach (ImagePatches image in images)
        {
            for (int i = 0; i < image.Count; i++)
            {
                int block = i / Config.MergeArea, inside = i % Config.MergeArea;
                int blocksPerRow = image.GridWidth / merge;
                int y = block / blocksPerRow * merge + inside / merge, x = block % blocksPerRow * merge + inside % merge;
                foreach (float frequency in inverseFrequencies)
                    angles[position++] = y * frequency;
                foreach (float frequency in inverseFrequencies)
                    angles[position++] = x * frequency;
            }
        }

        return angles;
    }

    private static VisionBlock LoadBlock(Qwen2VisionConfig config, WeightLoader weights)
    {
        int dim = config.EmbedDim;
        return new VisionBlock
        {
            Norm1 = VisionNorm.LayerNorm(weights, "norm1", dim, NormEpsilon),
            Attention = new VisionAttention(weights.GetLinear("attn.qkv", 3 * dim, dim), weights.GetLinear("attn.proj", dim, dim), config.NumHeads),
            Norm2 = VisionNorm.LayerNorm(weights, "norm2", dim, NormEpsilon),
            Mlp = VisionMlp.Load(weights.Push("mlp"), dim, dim * config.MlpRatio, VisionActivations.Find(config.HiddenAct)),
        };
    }
}
