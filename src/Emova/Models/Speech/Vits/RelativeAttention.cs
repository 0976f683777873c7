using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// Self-attention with learned relative positions (arXiv 1803.02155) inside a window of four neighbors to each side, shared by
/// the heads: score(i, j) = q_i (k_j + E^k[j - i]) / sqrt(d), o_i = sum over j of p(i, j) (v_j + E^v[j - i]).
/// </summary>
internal sealed class RelativeAttention
{
    private const int Window = 4;

    private readonly ConvolutionWeight query;
    private readonly ConvolutionWeight key;
    private readonly ConvolutionWeight value;
    private readonly ConvolutionWeight output;
    private readonly float[] relativeKeys;   // (2 * Window + 1, d)
    private readonly float[] relativeValues; // (2 * Window + 1, d)
    private readonly int width;
    private readonly int heads;

    public RelativeAttention(WeightLoader weights, int width, int heads)
    {
        (this.width, this.heads) = (width, heads);
        query = WeightNorm.Convolution(weights.Push("conv_q"), width, width, kernel: 1);
        key = WeightNorm.Convolution(weights.Push("conv_k"), width, width, kernel: 1);
        value = WeightNorm.Convolution(weights.Push("conv_v"), width, width, kernel: 1);
        output = WeightNorm.Convolution(weights.Push("conv_o"), width, width, kernel: 1);
        relativeKeys = weights.Get("emb_rel_k", 1, 2 * Window + 1, width / heads);
        relativeValues = weights.Get("emb_rel_v", 1, 2 * Window + 1, width / heads);
    }

    /// <summary>Attends over x (T, H).</summary>
    /// <param name="x">States.</param>
    /// <param name="count">T.</param>
    /// <param name="onWeights">Receives the weights (heads, T, T) when not null.</param>
    public float[] Forward(ReadOnlySpan<float> x, int count, Action<float[]>? onWeights)
    {
        float[] q = Project(query, x, count), k = Project(key, x, count), v = Project(value, x, count), mixed = new float[count * width];
        float[]? kept = onWeights is null ? null : new float[heads * count * count];
        WorkerTeam.Shared.For(heads * count, new Body(this, q, k, v, mixed, kept, count), minimumChunk: 8);
        if (kept is not null) onWeights!(kept);
        return Project(output, mixed, count);
    }

    private float[] Project(ConvolutionWeight weight, ReadOnlySpan<float> x, int count)
    {
        float[] y = new float[count * width];
        weight.Convolve(x, count, width, width, y, width);
        return y;
    }

    /// <summary>One item is one query of one head.</summary>
    private readonly struct Body(RelativeAttention layer, float[] q, float[] k, float[] v, float[] mixed, float[]? kept, int count) : IWorkerBody
    {
        [ThreadStatic]
        private static float[]? t_scores;

        public void Execute(int start, int limit)
        {
            int width = layer.width, dim = width / layer.heads;
            float scale = 1f / MathF.Sqrt(dim);
            if (t_scores is null || t_scores.Length < count) t_scores = new float[count];
            Span<float> scores = t_scores.AsSpan(0, count);
            for (int item = start; item < limit; item++)
            {
                (int head, int i) = Math.DivRem(item, count);
                int offset = head * dim, first = Math.Max(0, i - Window), last = Math.Min(count - 1, i + Window);
                ReadOnlySpan<float> row = q.AsSpan(i * width + offset, dim);
                for (int j = 0; j < count; j++) scores[j] = VectorMath.Dot(row, k.AsSpan(j * width + offset, dim)) * scale;
                for (int j = first; j <= last; j++) scores[j] += VectorMath.Dot(row, layer.relativeKeys.AsSpan((j - i + Window) * dim, dim)) * scale;
                VectorMath.Softmax(scores);
                if (kept is not null) scores.CopyTo(kept.AsSpan(item * count));

                Span<float> sum = mixed.AsSpan(i * width + offset, dim);
                for (int j = 0; j < count; j++) VectorMath.MultiplyAdd(v.AsSpan(j * width + offset, dim), scores[j], sum);
                for (int j = first; j <= last; j++) VectorMath.MultiplyAdd(layer.relativeValues.AsSpan((j - i + Window) * dim, dim), scores[j], sum);
            }
        }
    }
}
