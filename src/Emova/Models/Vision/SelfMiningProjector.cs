using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// EMOVA's self-mining resampler (arXiv 2409.18042): every window of neighboring tokens becomes one token, their mean attending to
/// each of them and to itself. There is no residual and no output projection; linear layers follow.
/// </summary>
public sealed class SelfMiningProjector : DownsamplingProjector
{
    private const int HeadDim = 64;
    private const float NormEpsilon = 1e-5f;

    private readonly int dim;
    private readonly int side;
    private readonly int windowRows;
    private readonly int windowColumns;
    private readonly VisionNorm meanNorm;
    private readonly VisionNorm contextNorm;
    private readonly LinearWeight query;
    private readonly LinearWeight keyValue;

    internal SelfMiningProjector(ProjectorConfig config, int inputs, int outputs, WeightLoader weights)
        : base(config, inputs, inputs, outputs, weights)
    {
        (dim, side) = (inputs, config.InputSide);
        if (dim % HeadDim != 0)
            throw new EmovaException($"projector configuration: the self-mining projector needs features of a multiple of {HeadDim} channels, the vision encoder gives {dim}");
        (int rows, int columns) = config.DownsampleSize;
        if (side % rows != 0 || side % columns != 0)
            throw new EmovaException($"projector configuration: downsample_size {rows} x {columns} must divide the {side} x {side} tokens of a tile");
        (windowRows, windowColumns) = (side / rows, side / columns);
        WeightLoader resampler = weights.Push("downsampler");
        meanNorm = VisionNorm.LayerNorm(resampler, "norm_media", dim, NormEpsilon);
        contextNorm = VisionNorm.LayerNorm(resampler, "norm_context", dim, NormEpsilon);
        query = resampler.GetLinear("to_q", dim, dim, bias: false);
        keyValue = resampler.GetLinear("to_kv", 2 * dim, dim, bias: false);
    }

    private protected override float[] Downsample(float[] tile, ActivationProbe? probe)
    {
        int columns = side / windowColumns, windows = side / windowRows * columns, area = windowRows * windowColumns, seen = area + 1;
        float[] means = new float[windows * dim];
        float[] context = new float[windows * seen * dim]; // per window: its tokens row by row, then its mean; all normalized
        for (int w = 0; w < windows; w++)
        {
            Span<float> mean = means.AsSpan(w * dim, dim);
            for (int i = 0; i < area; i++)
            {
                int row = w / columns * windowRows + i / windowColumns, column = w % columns * windowColumns + i % windowColumns;
                ReadOnlySpan<float> token = tile.AsSpan((row * side + column) * dim, dim);
                VectorMath.Add(mean, token, mean);
                contextNorm.Row(token, context.AsSpan((w * seen + i) * dim, dim));
            }

            VectorMath.Scale(mean, 1f / area, mean);
            meanNorm.Row(mean, mean);
            mean.CopyTo(context.AsSpan((w * seen + area) * dim, dim));
        }

        float[] queries = new float[windows * dim], keysValues = new float[windows * seen * 2 * dim], attended = new float[windows * dim];
        query.Multiply(means, windows, dim, queries, dim);
        keyValue.Multiply(context, windows * seen, dim, keysValues, 2 * dim); // (window * seen, [k | v])
        for (int w = 0; w < windows; w++)
        {
            ReadOnlySpan<float> keys = keysValues.AsSpan(w * seen * 2 * dim, seen * 2 * dim);
            AttentionKernel.Full(
                queries.AsSpan(w * dim, dim), dim, keys, 2 * dim, keys[dim..], 2 * dim, attended.AsSpan(w * dim, dim), dim,
                queryCount: 1, seen, dim / HeadDim, HeadDim, 1 / MathF.Sqrt(HeadDim));
        }

        probe?.Invoke("downsampler", attended);
        return attended;
    }
}
