using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Language;

/// <summary>Rotary position tables and the half-rotation they are applied with: x * cos + [-x2, x1] * sin.</summary>
public sealed class RotaryEmbedding : IDisposable
{
    private readonly Tensor _cos; // (P, H/2)
    private readonly Tensor _sin;

    /// <param name="headSize">H, even</param>
    /// <param name="theta">base of the frequencies</param>
    /// <param name="positions">P, number of positions prepared</param>
    public RotaryEmbedding(int headSize, double theta, int positions)
    {
        int half = headSize / 2;
        float[] cos = new float[positions * half];
        float[] sin = new float[positions * half];
        for (int p = 0; p < positions; p++)
        {
            for (int j = 0; j < half; j++)
            {
                float angle = p * (float)(1.0 / Math.Pow(theta, 2.0 * j / headSize));
                cos[(p * half) + j] = MathF.Cos(angle);
                sin[(p * half) + j] = MathF.Sin(angle);
            }
        }

        _cos = tensor(cos, positions, half).DetachFromDisposeScope();
        _sin = tensor(sin, positions, half).DetachFromDisposeScope();
    }

    /// <summary>The tables of positions start … start + count - 1, each (count, H/2).</summary>
    public (Tensor Cos, Tensor Sin) Slice(long start, long count)
    {
        if (start + count > _cos.shape[0])
        {
            throw new ArgumentOutOfRangeException(nameof(count), $"position {start + count} is beyond the {_cos.shape[0]} prepared ones (max_position_embeddings)");
        }

        return (_cos.narrow(0, start, count), _sin.narrow(0, start, count));
    }

    /// <summary>Rotates x (…, H); the tables broadcast to (…, H/2). The result is float32 whatever the type of x.</summary>
    public static Tensor Apply(Tensor x, Tensor cos, Tensor sin)
    {
        long half = x.shape[^1] / 2;
        Tensor first = x.narrow(-1, 0, half);
        Tensor second = x.narrow(-1, half, half);
        return cat([(first * cos).Minus(second * sin), (second * cos).Plus(first * sin)], -1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cos.Dispose();
        _sin.Dispose();
    }
}
