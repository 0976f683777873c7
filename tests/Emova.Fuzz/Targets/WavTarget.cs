using System.Buffers.Binary;
using Emova.Media;

namespace Emova.Fuzz.Targets;

/// <summary>WAV files of every encoding, read to the end.</summary>
public sealed class WavTarget : IFuzzTarget
{
    public static string Name => "wav";

    public static IReadOnlyList<byte[]> Seeds() =>
    [
        Build(format: 1, channels: 1, rate: 16000, bits: 16), Build(1, 2, 44100, 24), Build(1, 1, 8000, 8), Build(1, 2, 96000, 32), Build(3, 1, 48000, 32), Extensible(),
    ];

    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        using var stream = new MemoryStream(data.ToArray());
        WavFile.Read(stream, "fuzz");
    }

    private static byte[] Build(int format, int channels, int rate, int bits)
    {
        int block = channels * bits / 8;
        var header = new byte[16];
        BinaryPrimitives.WriteInt16LittleEndian(header, (short)format);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(2), (short)channels);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), rate);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), rate * block);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(12), (short)block);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(14), (short)bits);
        return Riff(header, new byte[block * 20]);
    }

    private static byte[] Extensible()
    {
        byte[] plain = Build(1, 1, 16000, 16)[20..36];
        BinaryPrimitives.WriteUInt16LittleEndian(plain, 0xFFFE);
        byte[] guid = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
        return Riff([.. plain, 22, 0, 16, 0, 4, 0, 0, 0, .. guid], new byte[40]);
    }

    private static byte[] Riff(byte[] format, byte[] data) =>
    [
        .. "RIFF"u8, .. BitConverter.GetBytes(20 + format.Length + data.Length), .. "WAVE"u8,
        .. "fmt "u8, .. BitConverter.GetBytes(format.Length), .. format,
        .. "data"u8, .. BitConverter.GetBytes(data.Length), .. data,
    ];
}
