namespace Emova.Numerics;

/// <summary>Conversion between single precision and bfloat16 bit patterns.</summary>
internal static class BFloat16
{
    public static float ToSingle(ushort stored) => BitConverter.UInt32BitsToSingle((uint)stored << 16);

    public static void ToSingle(ReadOnlySpan<ushort> stored, Span<float> values)
    {
        for (int i = 0; i < stored.Length; i++)
            values[i] = ToSingle(stored[i]);
    }

    /// <summary>Rounds to the nearest pattern, ties to even; a NaN stays a NaN.</summary>
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
