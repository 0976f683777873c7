using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Speech.Vits;

/// <summary>Layer normalization over channels with the names the tokenizer's checkpoints give its parameters.</summary>
internal sealed class ChannelNorm(WeightLoader weights, int width, float epsilon)
{
    // Upper case, because the library that wrote the file renames whatever contains "gamma" or "beta".
    private readonly float[] gamma = weights.Get("GAMMA", width);
    private readonly float[] beta = weights.Get("BETA", width);

    /// <summary>Normalizes every row of x (T, C) in place.</summary>
    public void Apply(Span<float> x)
    {
        for (int at = 0; at < x.Length; at += width)
        {
            Span<float> row = x.Slice(at, width);
            VectorMath.LayerNorm(row, gamma, beta, epsilon, row);
        }
    }
}
