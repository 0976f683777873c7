using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>Conversion between single precision and bfloat16 bit patterns.</summary>
internal static class BFloat16
{
    public static float ToSingle(ushort stored) => BitConverter.UInt32BitsToSingle((uint)stored << 16);

    public static void ToSingle(ReadOnlySpan<ushort> stored, Span<float> values)
    {
        int i = 0;
        for (; i + Vector256<ushort>.Count <= stored.Length; i += Vector256<ushort>.Count)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(stored[i..]));
            (low << 16).AsSingle().CopyTo(values[i..]);
            (high << 16).AsSingle().CopyTo(values[(i + Vector256<float>.Count)..]);
        }

        for (; i < stored.Length; i++) values[i] = ToSingle(stored[i]);
    }

    /// <summary>Rounds to the nearest pattern, ties to even; a NaN stays a NaN.</summary>
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Rounds values one by one.</summary>
    public static void FromSingle(ReadOnlySpan<float> values, Span<ushort> stored)
    {
        int i = 0;
        for (; i + 2 * Vector256<float>.Count <= values.Length; i += 2 * Vector256<float>.Count)
            Vector256.Narrow(Upper(Vector256.Create(values[i..])), Upper(Vector256.Create(values[(i + Vector256<float>.Count)..]))).CopyTo(stored[i..]);
        for (; i < values.Length; i++) stored[i] = FromSingle(values[i]);
    }

    /// <summary>The rounded upper halves, moved down.</summary>
    internal static Vector256<uint> Upper(Vector256<float> values)
    {
        Vector256<uint> bits = values.AsUInt32(), high = bits >> 16;
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + (high & Vector256<uint>.One)) >> 16;
        return Vector256.ConditionalSelect(Vector256.Equals(values, values).AsUInt32(), rounded, high | Vector256.Create(0x40u));
    }
}
