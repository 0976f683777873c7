namespace Emova.Numerics;

/// <summary>What storing values in fewer bits changed.</summary>
public record struct RoundingError
{
    /// <summary>Sum of the squares of the values.</summary>
    public double SumOfSquares { get; private set; }

    /// <summary>Sum of the squares of the differences.</summary>
    public double SumOfSquaredErrors { get; private set; }

    /// <summary>Largest difference.</summary>
    public float Largest { get; private set; }

    /// <summary>Root mean square of the differences in relation to that of the values; 0 for zeros.</summary>
    public readonly double Relative => SumOfSquares > 0 ? Math.Sqrt(SumOfSquaredErrors / SumOfSquares) : 0;

    /// <summary>Takes another part of the same tensor into account.</summary>
    public void Add(in RoundingError other)
    {
        SumOfSquares += other.SumOfSquares;
        SumOfSquaredErrors += other.SumOfSquaredErrors;
        Largest = Math.Max(Largest, other.Largest);
    }

    internal void Add(float value, float stored)
    {
        float error = Math.Abs(value - stored);
        SumOfSquares += (double)value * value;
        SumOfSquaredErrors += (double)error * error;
        Largest = Math.Max(Largest, error);
    }

    internal void Add(ReadOnlySpan<float> values, ReadOnlySpan<sbyte> codes, float scale)
    {
        for (int i = 0; i < values.Length; i++)
            Add(values[i], codes[i] * scale);
    }
}
