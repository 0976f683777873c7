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
    private readonly Block[] blocks;
    private readonly float[] mergerNormWeight;
    private readonly float[] mergerNormBias;
    private readonly LinearWeight mergerIn;
    private readonly LinearWeight mergerOut;
    private readonly float[] inverseFrequencies;

    private Qwen2VisionTransformer(Qwen2VisionConfig config, WeightLoader weights)
    {
        Config = config;
        int dim = config.EmbedDim, merged = dim * config.MergeArea;
        // The convolution's stride equals its kernel: a product with the flattened patch.
        float[] kernel = weights.Get("patch_embed.proj.weight", dim, 3, config.TemporalPatchSize, config.PatchSize, config.PatchSize);
        patchEmbed = LinearWeight.Pack(kernel, dim, config.PatchDim);
        blocks = [.. Enumerable.Range(0, config.Depth).Select(i => new Block(config, weights.Push("blocks").Push(i), i))];
        WeightLoader merger = weights.Push("merger");
        mergerNormWeight = merger.Get("ln_q.weight", dim);
        mergerNormBias = merger.Get("ln_q.bias", dim);
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
        (float[] cos, float[] sin) = RotaryTable(images, count, probe); // (S, headDim / 2)
        Scratch scratch = new(Config, count);
        foreach (Block block in blocks)
            block.Forward(x, count, segmentEnds, cos, sin, scratch, probe);
        return Merge(x, count, probe);
    }

    /// <summary>LayerNorm, four consecutive rows joined, two-layer perceptron.</summary>
    private float[] Merge(float[] x, int count, ActivationProbe? probe)
    {
        int dim = Config.EmbedDim, merged = dim * Config.MergeArea, tokens = count / Config.MergeArea;
        for (int r = 0; r < count; r++)
            VectorMath.LayerNorm(x.AsSpan(r * dim, dim), mergerNormWeight, mergerNormBias, NormEpsilon, x.AsSpan(r * dim, dim));
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
    private (float[] Cos, float[] Sin) RotaryTable(IReadOnlyList<ImagePatches> images, int count, ActivationProbe? probe)
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

        probe?.Invoke("rotary_freqs", angles);
        return ([.. angles.Select(MathF.Cos)], [.. angles.Select(MathF.Sin)]);
    }

    /// <summary>Buffers shared by the blocks of one call.</summary>
    private sealed class Scratch(Qwen2VisionConfig config, int count)
    {
        // The wide feed-forward activations are computed for this many rows at a time: large pictures have 16384 rows.
        public const int MlpRows = 512;

        public float[] Normed { get; } = new float[count * config.EmbedDim];

        public float[] Qkv { get; } = new float[count * 3 * config.EmbedDim];

        public float[] Attended { get; } = new float[count * config.EmbedDim];

        public float[] Wide { get; } = new float[Math.Min(count, MlpRows) * config.MlpRatio * config.EmbedDim];
    }

    /// <summary>Pre-norm transformer block: x += attention(norm1(x)); x += mlp(norm2(x)).</summary>
    private sealed class Block(Qwen2VisionConfig config, WeightLoader weights, int index)
    {
        private readonly int dim = config.EmbedDim;
        private readonly int wide = config.EmbedDim * config.MlpRatio;
        private readonly float[] norm1Weight = weights.Get("norm1.weight", config.EmbedDim);
        private readonly float[] norm1Bias = weights.Get("norm1.bias", config.EmbedDim);
        private readonly LinearWeight qkv = weights.GetLinear("attn.qkv", 3 * config.EmbedDim, config.EmbedDim);
        private readonly LinearWeight proj = weights.GetLinear("attn.proj", config.EmbedDim, config.EmbedDim);
        private readonly float[] norm2Weight = weights.Get("norm2.weight", config.EmbedDim);
        private readonly float[] norm2Bias = weights.Get("norm2.bias", config.EmbedDim);
        private readonly LinearWeight fc1 = weights.GetLinear("mlp.fc1", config.EmbedDim * config.MlpRatio, config.EmbedDim);
        private readonly LinearWeight fc2 = weights.GetLinear("mlp.fc2", config.EmbedDim, config.EmbedDim * config.MlpRatio);

        public void Forward(
            float[] x, int count, ReadOnlySpan<int> segmentEnds, float[] cos, float[] sin, Scratch scratch, ActivationProbe? probe)
        {
            Norm(x, norm1Weight, norm1Bias, scratch.Normed);
            Attend(count, segmentEnds, cos, sin, scratch);
            probe?.Invoke($"blocks.{index}.attn", scratch.Normed);
            VectorMath.Add(x, scratch.Normed, x);

            Norm(x, norm2Weight, norm2Bias, scratch.Normed);
            for (int start = 0; start < count; start += Scratch.MlpRows)
            {
                int rows = Math.Min(Scratch.MlpRows, count - start);
                Span<float> part = scratch.Normed.AsSpan(start * dim, rows * dim), hidden = scratch.Wide.AsSpan(0, rows * wide);
                fc1.Multiply(part, rows, dim, hidden, wide);
                VectorMath.QuickGelu(hidden, hidden);
                fc2.Multiply(hidden, rows, wide, part, dim);
            }

            probe?.Invoke($"blocks.{index}.mlp", scratch.Normed);
            VectorMath.Add(x, scratch.Normed, x);
            probe?.Invoke($"blocks.{index}", x);
        }

        /// <summary>scratch.Normed -> attention output, in place.</summary>
        private void Attend(int count, ReadOnlySpan<int> segmentEnds, float[] cos, float[] sin, Scratch scratch)
        {
            int half = config.HeadDim / 2, stride = 3 * dim;
            float[] fused = scratch.Qkv; // (S, [q | k | v])
            qkv.Multiply(scratch.Normed, count, dim, fused, stride);
            for (int r = 0; r < count; r++)
            {
                // Queries and keys lie side by side and turn by the same angles.
                RotaryEmbedding.Rotate(fused.AsSpan(r * stride, 2 * dim), cos.AsSpan(r * half, half), sin.AsSpan(r * half, half));
            }

            AttentionKernel.Segmented(
                fused, stride, fused.AsSpan(dim), stride, fused.AsSpan(2 * dim), stride, scratch.Attended, dim,
                segmentEnds, config.NumHeads, config.HeadDim, 1 / MathF.Sqrt(config.HeadDim));
            proj.Multiply(scratch.Attended, count, dim, scratch.Normed, dim);
        }

        private void Norm(float[] x, float[] weight, float[] bias, float[] y)
        {
            for (int start = 0; start < x.Length; start += dim)
                VectorMath.LayerNorm(x.AsSpan(start, dim), weight, bias, NormEpsilon, y.AsSpan(start, dim));
        }
    }
}
