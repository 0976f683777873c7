using System.Diagnostics.CodeAnalysis;

namespace Emova.Numerics;

/// <summary>How the values of a <see cref="LinearWeight"/> are held in memory.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "The formats are named after the types they store.")]
public enum WeightFormat
{
    /// <summary>Single precision, 4 bytes per value.</summary>
    Float32,

    /// <summary>The upper half of a single, 2 bytes per value. Products are those of the same values in single precision, bit for bit.</summary>
    BFloat16,

    /// <summary>-127 to 127 times a bfloat16 scale per 32 inputs, 8.5 bits per value. The input is rounded to int8 per 32 values too.</summary>
    Int8,

    /// <summary>-8 to 7 times a bfloat16 scale per 32 inputs, 4.5 bits per value. The input is rounded to int8 per 32 values too.</summary>
    Int4,

    /// <summary>
    /// bfloat16, 2 bytes per value, for products whose input is rounded to bfloat16 too; sums are single precision. Where the processor
    /// multiplies such pairs (AVX-512 BF16), products and convolutions of many rows take about half the time of <see cref="Float32"/>.
    /// </summary>
    BFloat16Pairs,
}
