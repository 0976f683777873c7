using System.Buffers.Binary;

namespace Emova.Media;

/// <summary>Headerless audio: 16-bit integers, little-endian, mono.</summary>
public static class Pcm16
{
    /// <summary>Samples to bytes; samples outside -1..1 are clipped.</summary>
    public static byte[] ToBytes(ReadOnlySpan<float> samples)
    {
        byte[] bytes = new byte[2 * samples.Length];
        for (int i = 0; i < samples.Length; i++)
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2 * i), WavWriter.ToPcm16(samples[i]));
        return bytes;
    }

    /// <summary>Bytes to samples, full scale = 1.</summary>
    /// <exception cref="ArgumentException">The number of bytes is odd.</exception>
    public static float[] ToSamples(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length % 2 != 0)
            throw new ArgumentException("16-bit audio has an even number of bytes", nameof(bytes));
        float[] samples = new float[bytes.Length / 2];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..]) / 32768f;
        return samples;
    }
}
