using System.Buffers.Binary;
using System.IO.Compression;
using Emova.Media;

namespace Emova.Fuzz.Targets;

/// <summary>Pictures of all kinds, decoded to the last pixel.</summary>
public sealed class ImageTarget : IFuzzTarget
{
    public static string Name => "image";

    public static IReadOnlyList<byte[]> Seeds() => [Png(), Bmp(), Gif(), Jpeg()];

    public static void Fuzz(ReadOnlySpan<byte> data) => ImageFile.Decode(data.ToArray(), "fuzz", maxPixels: 4_000_000);

    private static byte[] Png()
    {
        const int size = 8;
        using var pixels = new MemoryStream();
        using (var zlib = new ZLibStream(pixels, CompressionLevel.Optimal, leaveOpen: true))
            for (int y = 0; y < size; y++)
            {
                zlib.WriteByte((byte)(y % 5)); // every filter type
                for (int x = 0; x < size * 3; x++) zlib.WriteByte((byte)(x * y));
            }
        byte[] header = [0, 0, 0, size, 0, 0, 0, size, 8, 2, 0, 0, 0];
        return [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, .. Chunk("IHDR"u8, header), .. Chunk("IDAT"u8, pixels.ToArray()), .. Chunk("IEND"u8, [])];
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        byte[] body = [.. type, .. content];
        var chunk = new byte[body.Length + 8];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        body.CopyTo(chunk, 4);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(chunk.Length - 4), Crc(body));
        return chunk;
    }

    private static uint Crc(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320 & (uint)-(int)(crc & 1));
        }
        return ~crc;
    }

    private static byte[] Bmp()
    {
        const int width = 4, height = 4, stride = width * 3;
        var file = new byte[54 + stride * height];
        "BM"u8.CopyTo(file);
        int[] fields = [2, file.Length, 10, 54, 14, 40, 18, width, 22, height, 26, 1 | 24 << 16, 34, stride * height];
        for (int i = 0; i < fields.Length; i += 2) BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(fields[i]), fields[i + 1]);
        for (int i = 54; i < file.Length; i++) file[i] = (byte)(i * 7);
        return file;
    }

    /// <summary>One pixel with a palette of two colors.</summary>
    private static byte[] Gif() =>
    [
        .. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255,
        0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4C, 1, 0, 0x3B,
    ];

    /// <summary>A gray 8x8 baseline picture: flat, so that one short Huffman table suffices.</summary>
    private static byte[] Jpeg() =>
    [
        0xFF, 0xD8, 0xFF, 0xE0, 0, 16, .. "JFIF\0"u8, 1, 1, 0, 0, 1, 0, 1, 0, 0,
        0xFF, 0xDB, 0, 67, 0, .. Enumerable.Repeat((byte)16, 64),
        0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0,
        0xFF, 0xC4, 0, 20, 0, 1, .. new byte[15], 0,
        0xFF, 0xC4, 0, 20, 0x10, 1, .. new byte[15], 0,
        0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x3F, 0xFF, 0xD9,
    ];
}
