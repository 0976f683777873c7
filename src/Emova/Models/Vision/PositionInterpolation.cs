using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// Bicubic interpolation of a square table of learned positions to another grid, as the reference's library computes it:
/// a = -0.75, pixel centers at half steps, borders repeated, no widening of the filter when scaling down.
/// </summary>
internal static class PositionInterpolation
{
    private const float Sharpness = -0.75f;
    private const int Taps = 4;

    /// <summary>(1 + side * side, D) -> (1 + rows * columns, D); the class token's row is copied.</summary>
    public static float[] Resize(float[] positions, int dim, int side, int rows, int columns)
    {
        if (rows == side && columns == side)
            return positions;
        float[] result = new float[checked((1 + rows * columns) * dim)];
        positions.AsSpan(0, dim).CopyTo(result);
        ReadOnlySpan<float> table = positions.AsSpan(dim);
        (int[] rowStarts, float[] rowWeights) = Weights(side, rows);
        (int[] columnStarts, float[] columnWeights) = Weights(side, columns);
        for (int y = 0; y < rows; y++)
        {
            for (int x = 0; x < columns; x++)
            {
                Span<float> target = result.AsSpan((1 + y * columns + x) * dim, dim);
                for (int i = 0; i < Taps; i++)
                {
                    int row = Math.Clamp(rowStarts[y] + i, 0, side - 1);
                    for (int k = 0; k < Taps; k++)
                    {
                        int column = Math.Clamp(columnStarts[x] + k, 0, side - 1);
                        VectorMath.MultiplyAdd(
                            table.Slice((row * side + column) * dim, dim), rowWeights[y * Taps + i] * columnWeights[x * Taps + k], target);
                    }
                }
            }
        }

        return result;
    }

    /// <summary>First source position of every target position, and its four weights.</summary>
    private static (int[] Starts, float[] Weights) Weights(int source, int target)
    {
        int[] starts = new int[target];
        float[] weights = new float[target * Taps];
        float scale = (float)source / target;
        for (int i = 0; i < target; i++)
        {
            float center = scale * (i + 0.5f) - 0.5f;
            int floor = (int)MathF.Floor(center);
            float t = center - floor;
            starts[i] = floor - 1;
            weights[i * Taps] = Outer(t + 1);
            weights[i * Taps + 1] = Inner(t);
            weights[i * Taps + 2] = Inner(1 - t);
            weights[i * Taps + 3] = Outer(2 - t);
        }

        return (starts, weights);

        static float Inner(float x) => ((Sharpness + 2) * x - (Sharpness + 3)) * x * x + 1;
        static float Outer(float x) => ((Sharpness * x - 5 * Sharpness) * x + 8 * Sharpness) * x - 4 * Sharpness;
    }
}
