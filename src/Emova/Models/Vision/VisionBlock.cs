using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// Pre-norm transformer block (arXiv 2010.11929), shared by all vision encoders:
/// x += scale1 * attention(norm1(x)); x += scale2 * mlp(norm2(x)). The encoders differ in which of its parts they have.
/// </summary>
internal sealed class VisionBlock
{
    public required VisionNorm Norm1 { get; init; }

    public required VisionAttention Attention { get; init; }

    /// <summary>Layer scale of the attention branch (D); null for 1.</summary>
    public float[]? Scale1 { get; init; }

    public required VisionNorm Norm2 { get; init; }

    public required VisionMlp Mlp { get; init; }

    /// <summary>Layer scale of the feed-forward branch (D); null for 1.</summary>
    public float[]? Scale2 { get; init; }

    /// <summary>Updates x (T, D) in place.</summary>
    /// <param name="x">The residual stream.</param>
    /// <param name="scratch">Buffers, positions and segments of this pass.</param>
    /// <param name="name">Prefix of the probed names.</param>
    /// <param name="probe">Receives norm1, q_norm, attn, mlp and the block's result.</param>
    public void Forward(float[] x, VisionScratch scratch, string name, ActivationProbe? probe)
    {
        Norm1.Rows(x, scratch.Normed);
        probe?.Invoke($"{name}.norm1", scratch.Normed);
        Attention.Forward(scratch, name, probe);
        probe?.Invoke($"{name}.attn", scratch.Normed);
        AddBranch(scratch.Normed, Scale1, x);

        Norm2.Rows(x, scratch.Normed);
        Mlp.Forward(scratch.Normed, scratch.Wide);
        probe?.Invoke($"{name}.mlp", scratch.Normed);
        AddBranch(scratch.Normed, Scale2, x);
        probe?.Invoke(name, x);
    }

    private static void AddBranch(float[] branch, float[]? scale, float[] x)
    {
        if (scale is null)
        {
            VectorMath.Add(x, branch, x);
            return;
        }

        for (int start = 0; start < x.Length; start += scale.Length)
            VectorMath.MultiplyAdd(branch.AsSpan(start, scale.Length), scale, x.AsSpan(start, scale.Length));
    }
}

/// <summary>Multi-head attention inside each picture, with optional norms of queries and keys and optional rotary positions.</summary>
internal sealed class VisionAttention(LinearWeight qkv, LinearWeight proj, int heads)
{
    private readonly int dim = proj.Outputs;

    /// <summary>Norm of the queries over all heads together; null for none.</summary>
    public VisionNorm? QueryNorm { get; init; }

    /// <summary>Norm of the keys over all heads together; null for none.</summary>
    public VisionNorm? KeyNorm { get; init; }

    /// <summary>scratch.Normed (T, D) -> attention output, in place.</summary>
    public void Forward(VisionScratch scratch, string name, ActivationProbe? probe)
    {
        int headDim = dim / heads, stride = 3 * dim;
        Span<float> fused = scratch.Qkv; // (T, [q | k | v])
        qkv.Multiply(scratch.Normed, scratch.Rows, dim, fused, stride);
        for (int r = 0; r < scratch.Rows; r++)
        {
            Span<float> query = fused.Slice(r * stride, dim), key = fused.Slice(r * stride + dim, dim);
            QueryNorm?.Row(query, query);
            KeyNorm?.Row(key, key);
            // Queries and keys lie side by side and turn by the same angles.
            if (scratch.Rotary is { } rotary)
                RotaryEmbedding.Rotate(fused.Slice(r * stride, 2 * dim), rotary.CosOf(r), rotary.SinOf(r));
            if (probe is not null)
                query.CopyTo(scratch.Normed.AsSpan(r * dim));
        }

        probe?.Invoke($"{name}.q_norm", scratch.Normed);
        // The result takes the place of the queries: a buffer less for pictures of 16384 patches.
        AttentionKernel.Segmented(
            fused, stride, fused[dim..], stride, fused[(2 * dim)..], stride, fused, stride,
            scratch.SegmentEnds, heads, headDim, 1 / MathF.Sqrt(headDim));
        proj.Multiply(fused, scratch.Rows, stride, scratch.Normed, dim);
    }
}

/// <summary>Two linear layers with an activation between them.</summary>
internal sealed class VisionMlp(LinearWeight fc1, LinearWeight fc2, VisionActivation activation)
{
    /// <summary>Reads <c>fc1</c> and <c>fc2</c>.</summary>
    public static VisionMlp Load(WeightLoader weights, int dim, int intermediate, VisionActivation activation) =>
        new(weights.GetLinear("fc1", intermediate, dim), weights.GetLinear("fc2", dim, intermediate), activation);

    /// <summary>x (T, D) -> result, in place, as many rows at a time as fit into <paramref name="wide"/>.</summary>
    public void Forward(Span<float> x, Span<float> wide)
    {
        int dim = fc1.Inputs, rowsAtOnce = wide.Length / fc1.Outputs;
        while (!x.IsEmpty)
        {
            int rows = Math.Min(rowsAtOnce, x.Length / dim);
            Span<float> part = x[..(rows * dim)], hidden = wide[..(rows * fc1.Outputs)];
            fc1.Multiply(part, rows, dim, hidden, fc1.Outputs);
            activation(hidden, hidden);
            fc2.Multiply(hidden, rows, fc1.Outputs, part, dim);
            x = x[part.Length..];
        }
    }
}

/// <summary>y[i] = f(x[i]); x and y may be the same.</summary>
internal delegate void VisionActivation(ReadOnlySpan<float> x, Span<float> y);

/// <summary>The activations that vision configurations name in <c>hidden_act</c>.</summary>
internal static class VisionActivations
{
    public static readonly string[] Names = ["gelu", "gelu_pytorch_tanh", "quick_gelu"];

    public static VisionActivation Find(string name) => name switch
    {
        "gelu" => VectorMath.Gelu,
        "gelu_pytorch_tanh" => VectorMath.GeluTanh,
        "quick_gelu" => VectorMath.QuickGelu,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "not an activation of a vision encoder"),
    };
}
