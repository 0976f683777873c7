namespace Emova.Numerics;

/// <summary>What <see cref="ConvolutionWeight"/> does to a result before it leaves the registers; nothing by default.</summary>
public ref struct ConvolutionEpilogue
{
    /// <summary>Added to the result, row by row; none when empty.</summary>
    public ReadOnlySpan<float> Residual { get; init; }

    /// <summary>Distance of two rows of <see cref="Residual"/> in floats.</summary>
    public int ResidualStride { get; init; }

    /// <summary>Receives the leaky rectification of the result (residual included); not computed when empty.</summary>
    public Span<float> Activated { get; init; }

    /// <summary>Distance of two rows of <see cref="Activated"/> in floats.</summary>
    public int ActivatedStride { get; init; }

    /// <summary>Factor of negative values in <see cref="Activated"/>, 0 to 1.</summary>
    public float Slope { get; init; }
}
