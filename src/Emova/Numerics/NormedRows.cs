namespace Emova.Numerics;

/// <summary>The norms between the layers of a decoder, over many rows and by all threads. A row's result does not depend on the others.</summary>
internal static unsafe class NormedRows
{
    // Below this many values another pause of the threads costs more than it saves.
    private const long ParallelThreshold = 1L << 15;

    /// <summary>y = x / sqrt(mean of x squared + epsilon) * weight in every row.</summary>
    /// <param name="x">(rows, D).</param>
    /// <param name="weight">(D).</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="y">Receives (rows, D); may be x.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    public static void RmsNorm(ReadOnlySpan<float> x, float[] weight, float epsilon, Span<float> y, WorkerTeam? team = null)
    {
        if (x.Length % weight.Length != 0 || y.Length < x.Length)
            throw new ArgumentException($"{x.Length} values are not rows of {weight.Length}, or {y.Length} are too few for the result", nameof(x));
        fixed (float* source = x, target = y) Run(new Body { X = source, Y = target, Weight = weight, Epsilon = epsilon }, x.Length / weight.Length, team);
    }

    /// <summary>x += y, then y = x / sqrt(mean of x squared + epsilon) * weight, in every row; without a weight only the sum.</summary>
    /// <param name="x">(rows, D), the residual stream.</param>
    /// <param name="y">(rows, D), what is added; receives the norm.</param>
    /// <param name="dim">D.</param>
    /// <param name="weight">(D), or null.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    public static void AddAndNorm(Span<float> x, Span<float> y, int dim, float[]? weight, float epsilon, WorkerTeam? team = null)
    {
        if (x.Length % dim != 0 || y.Length < x.Length || (weight is not null && weight.Length != dim))
            throw new ArgumentException($"{x.Length} and {y.Length} values are not as many rows of {dim}", nameof(x));
        fixed (float* sum = x, added = y) Run(new Body { X = sum, Y = added, Adds = true, Weight = weight, Width = dim, Epsilon = epsilon }, x.Length / dim, team);
    }

    private static void Run(Body body, int rows, WorkerTeam? team)
    {
        if (body.Weight is { } weight) body.Width = weight.Length;
        if ((long)rows * body.Width < ParallelThreshold) body.Execute(0, rows);
        else (team ?? WorkerTeam.Shared).For(rows, body, minimumChunk: 4);
    }

    private struct Body : IWorkerBody
    {
        public float* X;
        public float* Y;
        public bool Adds;
        public float[]? Weight;
        public int Width;
        public float Epsilon;

        public readonly void Execute(int start, int limit)
        {
            for (int row = start; row < limit; row++)
            {
                Span<float> x = new(X + (long)row * Width, Width), y = new(Y + (long)row * Width, Width);
                if (Adds) VectorMath.Add(x, y, x);
                if (Weight is not null) VectorMath.RmsNorm(x, Weight, Epsilon, y);
            }
        }
    }
}
