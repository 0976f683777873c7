using BenchmarkDotNet.Attributes;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Vision;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>
/// The released models' vision encoder (Qwen2-ViT 600M, random bfloat16 weights) on one picture of 448 x 448 pixels: 1024 patches,
/// 256 tokens. The allocated column is to be read as buffers per picture: nothing is allocated per patch or per head.
/// </summary>
[MemoryDiagnoser]
public class VisionBenchmarks
{
    private const int Side = 448;

    private Qwen2VisionTransformer encoder = null!;
    private RgbImage picture = null!;
    private ImagePatches patches = null!;
    private float[] fused = [];
    private float[] attended = [];

    [GlobalSetup]
    public void Setup()
    {
        Qwen2VisionConfig config = new();
        encoder = Qwen2VisionTransformer.Load(config, new WeightLoader(new RandomWeights(1, (_, _) => WeightFormat.BFloat16)));
        byte[] pixels = new byte[3 * Side * Side];
        Random random = new(1);
        random.NextBytes(pixels);
        picture = new RgbImage(Side, Side, pixels);
        patches = config.CreateImageProcessor().Process(picture);
        fused = [.. Enumerable.Range(0, patches.Count * 3 * config.EmbedDim).Select(_ => random.NextSingle() - 0.5f)];
        attended = new float[patches.Count * config.EmbedDim];
    }

    [Benchmark]
    public ImagePatches Preprocess() => encoder.Config.CreateImageProcessor().Process(picture);

    [Benchmark]
    public float[] Encode() => encoder.Encode([patches]);

    /// <summary>The attention of one of the 32 blocks by itself.</summary>
    [Benchmark]
    public void AttentionOfOneBlock()
    {
        int dim = encoder.Config.EmbedDim, heads = encoder.Config.NumHeads, headDim = encoder.Config.HeadDim;
        AttentionKernel.Full(
            fused, 3 * dim, fused.AsSpan(dim), 3 * dim, fused.AsSpan(2 * dim), 3 * dim, attended, dim,
            patches.Count, patches.Count, heads, headDim, 1 / MathF.Sqrt(headDim));
    }
}
