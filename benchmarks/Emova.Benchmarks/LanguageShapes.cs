using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Numerics;

namespace Emova.Benchmarks;

/// <summary>Language models of the published sizes (Qwen2.5, arXiv 2412.15115) with random weights, output head included in one format.</summary>
internal static class LanguageShapes
{
    public static LanguageModel Create(string shape, WeightFormat format)
    {
        (int hidden, int intermediate, int layers, int heads, int keyValueHeads, bool isTied) = shape.ToUpperInvariant() switch
        {
            "0.5B" => (896, 4864, 24, 14, 2, true),
            "3B" => (2048, 11008, 36, 16, 2, true),
            "7B" => (3584, 18944, 28, 28, 4, false),
            _ => throw new ArgumentException($"--shape {shape}: one of 0.5B, 3B, 7B"),
        };
        DenseDecoderConfig config = new()
        {
            VocabSize = 151936, HiddenSize = hidden, IntermediateSize = intermediate, NumHiddenLayers = layers, NumAttentionHeads = heads,
            NumKeyValueHeads = keyValueHeads, TieWordEmbeddings = isTied, CacheFormat = WeightFormat.BFloat16,
        };
        return LanguageModel.Load(config, new WeightLoader(new RandomWeights(1, (_, _) => format)));
    }

    /// <summary>Parameters that a token meets in matrices.</summary>
    public static long TokenParameters(LanguageConfig config)
    {
        DenseDecoderConfig dense = (DenseDecoderConfig)config;
        long attention = (long)dense.HiddenSize * (2 * dense.QueryDim + dense.KeyDim + dense.ValueDim);
        return dense.NumHiddenLayers * (attention + 3L * dense.HiddenSize * dense.IntermediateSize) + (long)dense.VocabSize * dense.HiddenSize;
    }

    public static WeightFormat Format(int bits) => bits switch
    {
        4 => WeightFormat.Int4,
        8 => WeightFormat.Int8,
        _ => throw new ArgumentException($"--bits {bits}: 4 or 8"),
    };
}
