using System.Runtime.Intrinsics;
using Emova.Numerics.Emitted;

namespace Emova.Numerics;

/// <summary>The kernels of a product: all give the same bits, they differ in speed.</summary>
internal enum VectorWidth
{
    /// <summary>Plain loops: the reference, and the way for machines without vector instructions.</summary>
    Scalar,

    /// <summary>128 bits: SSE, NEON.</summary>
    V128,

    /// <summary>256 bits: AVX2.</summary>
    V256,

    /// <summary>512 bits: AVX-512.</summary>
    V512,

    /// <summary>512 bits with machine code written at run time, where it exists; otherwise as <see cref="V512"/>.</summary>
    Emitted,
}

internal static class VectorWidths
{
    /// <summary>The widest one this machine has in hardware.</summary>
    public static VectorWidth Best { get; } =
        EmittedKernels.Instance is not null ? VectorWidth.Emitted
        : Vector512.IsHardwareAccelerated ? VectorWidth.V512
        : Vector256.IsHardwareAccelerated ? VectorWidth.V256
        : Vector128.IsHardwareAccelerated ? VectorWidth.V128 : VectorWidth.Scalar;
}
