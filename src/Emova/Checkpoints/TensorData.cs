using System.Runtime.InteropServices;
using Emova.Numerics;

namespace Emova.Checkpoints;

/// <summary>A named tensor to be written: <see cref="SafetensorsWriter"/>.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="DType">Element type of <paramref name="Data"/>.</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="Data">Little-endian elements, row-major.</param>
public sealed record TensorData(string Name, DType DType, long[] Shape, ReadOnlyMemory<byte> Data)
{
    /// <summary>A tensor stored as F32.</summary>
    public static TensorData F32(string name, long[] shape, ReadOnlySpan<float> values) =>
        new(name, DType.F32, shape, MemoryMarshal.AsBytes(values).ToArray());

    /// <summary>A tensor stored as BF16: each value is rounded to the nearest, ties to even.</summary>
    public static TensorData BF16(string name, long[] shape, ReadOnlySpan<float> values)
    {
        byte[] bytes = new byte[2 * values.Length];
        Span<ushort> stored = MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan());
        for (int i = 0; i < values.Length; i++)
            stored[i] = BFloat16.FromSingle(values[i]);
        return new TensorData(name, DType.BF16, shape, bytes);
    }

    /// <summary>A tensor stored as I64.</summary>
    public static TensorData I64(string name, long[] shape, ReadOnlySpan<long> values) =>
        new(name, DType.I64, shape, MemoryMarshal.AsBytes(values).ToArray());
}
