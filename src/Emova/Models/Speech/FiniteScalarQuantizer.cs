namespace Emova.Models.Speech;

/// <summary>
/// Finite scalar quantization (arXiv 2309.15505) as the EMOVA speech tokenizer uses it: every component is bounded by a
/// shifted tanh, rounded to one of its levels, and the digits are read as one number, the first digit least significant.
/// </summary>
public sealed class FiniteScalarQuantizer
{
    private const double Epsilon = 1e-3;

    private readonly int[] levels;

    /// <summary>Creates a quantizer.</summary>
    /// <param name="levels">Number of levels of each component, each at least 2.</param>
    public FiniteScalarQuantizer(params ReadOnlySpan<int> levels)
    {
        if (levels.IsEmpty) throw new ArgumentException("at least one component is needed", nameof(levels));
        int size = 1;
        foreach (int level in levels)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(level, 2, nameof(levels));
            size = checked(size * level);
        }

        this.levels = levels.ToArray();
        CodebookSize = size;
    }

    /// <summary>Number of components D.</summary>
    public int Dimensions => levels.Length;

    /// <summary>Number of levels of each component.</summary>
    public IReadOnlyList<int> Levels => levels;

    /// <summary>Number of different indices.</summary>
    public int CodebookSize { get; }

    /// <summary>The value of one component before rounding; rounding half to even gives -floor(L/2) to ceil(L/2) - 1.</summary>
    public float Bound(int component, float z)
    {
        // The reference computes the shift with tan where the paper has atanh; its weights were trained so.
        int level = levels[component];
        double half = (level - 1) * (1 - Epsilon) / 2, offset = level % 2 == 0 ? 0.5 : 0;
        return (float)(Math.Tanh(z + Math.Tan(offset / half)) * half - offset);
    }

    /// <summary>Digits of one vector.</summary>
    /// <param name="z">D values.</param>
    /// <param name="digits">D digits, digit i from 0 to Levels[i] - 1.</param>
    public void Quantize(ReadOnlySpan<float> z, Span<int> digits)
    {
        for (int i = 0; i < levels.Length; i++) digits[i] = (int)MathF.Round(Bound(i, z[i]), MidpointRounding.ToEven) + levels[i] / 2;
    }

    /// <summary>Index of one vector.</summary>
    /// <param name="z">D values.</param>
    public int Quantize(ReadOnlySpan<float> z)
    {
        Span<int> digits = stackalloc int[levels.Length];
        Quantize(z, digits);
        return Index(digits);
    }

    /// <summary>The number whose digits these are.</summary>
    public int Index(ReadOnlySpan<int> digits)
    {
        int index = 0;
        for (int i = levels.Length - 1; i >= 0; i--) index = index * levels[i] + digits[i];
        return index;
    }

    /// <summary>The digits of an index.</summary>
    /// <param name="index">0 to <see cref="CodebookSize"/> - 1.</param>
    /// <param name="digits">Receives D digits.</param>
    public void Digits(int index, Span<int> digits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, CodebookSize);
        for (int i = 0; i < levels.Length; i++) (index, digits[i]) = Math.DivRem(index, levels[i]);
    }

    /// <summary>The vector an index stands for, each component in [-1, 1].</summary>
    /// <param name="index">0 to <see cref="CodebookSize"/> - 1.</param>
    /// <param name="codes">Receives D values.</param>
    public void Codes(int index, Span<float> codes)
    {
        Span<int> digits = stackalloc int[levels.Length];
        Digits(index, digits);
        for (int i = 0; i < levels.Length; i++) codes[i] = (float)(digits[i] - levels[i] / 2) / (levels[i] / 2);
    }
}
