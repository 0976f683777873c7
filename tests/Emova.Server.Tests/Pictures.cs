using System.Buffers.Binary;
using System.IO.Compression;

namespace Emova.Server.Tests;

/// <summary>Pictures that want more memory than they are worth.</summary>
internal static class Pictures
{
    private const int BombBytes = 150_000_000;

    private static readonly Lazy<byte[]> Packed = new(() =>
    {
        using MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < BombBytes; i += zeros.Length)
                zlib.Write(zeros);
        }

        return packed.ToArray();
    });

    /// <summary>A stream that unfolds to 150 MB of zeros.</summary>
    public static byte[] Bomb => Packed.Value;

    /// <summary>A PNG file of the stated size with the stated content, by default none.</summary>
    public static byte[] Png(int width, int height, byte[]? content = null)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (8, 2);
        return [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, .. Chunk("IHDR"u8, header), .. content is null ? [] : Chunk("IDAT"u8, content), .. Chunk("IEND"u8, [])];
    }

    /// <summary>The beginning of a JPEG file of the stated size.</summary>
    public static byte[] JpegHeader(ushort width, ushort height)
    {
        byte[] file = [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0, 0, 0, 0, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0, 0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0, 0xFF, 0xD9];
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(7), height);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(9), width);
        return file;
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, byte[] content)
    {
        byte[] chunk = new byte[12 + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        type.CopyTo(chunk.AsSpan(4));
        content.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + content.Length), Crc(chunk.AsSpan(4, 4 + content.Length)));
        return chunk;
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
        }

        return ~crc;
    }
}
