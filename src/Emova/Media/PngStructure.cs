using System.Buffers.Binary;
using System.IO.Compression;

namespace Emova.Media;

/// <summary>
/// Integrity of a PNG file, checked before decoding. The pixel data is inflated once without keeping it: its size must be what
/// the header promises, so that a small file cannot make the decoder inflate gigabytes.
/// </summary>
internal static class PngStructure
{
    private static readonly uint[] ChecksumTable = BuildChecksumTable();

    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>False for a file that ends early.</summary>
    /// <exception cref="FormatException">A checksum or the compressed data is wrong.</exception>
    public static bool IsComplete(ImageHeader header, byte[] bytes)
    {
        using MemoryStream compressed = new();
        int position = Signature.Length;
        bool ended = false;
        while (!ended)
        {
            // Each chunk: length, type, data, checksum of type and data.
            if (position + 12 > bytes.Length)
                return false;
            uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(position));
            if (length > bytes.Length - position - 12)
                return false;
            Span<byte> typeAndData = bytes.AsSpan(position + 4, 4 + (int)length);
            if (Checksum(typeAndData) != BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(position + 8 + (int)length)))
                throw new FormatException("damaged PNG picture: a chunk fails its checksum");
            if (typeAndData.StartsWith("IDAT"u8))
                compressed.Write(typeAndData[4..]);
            ended = typeAndData.StartsWith("IEND"u8);
            position += 12 + (int)length;
        }

        compressed.Position = 0;
        long expected = DataBytes(header, bytes);
        long actual = InflatedBytes(compressed, expected);
        if (actual > expected)
            throw new FormatException("damaged PNG picture: more data than its size allows");
        return actual == expected;
    }

    /// <summary>Inflates at most a little more than <paramref name="limit"/> bytes and counts them.</summary>
    private static long InflatedBytes(Stream compressed, long limit)
    {
        long count = 0;
        try
        {
            using ZLibStream inflated = new(compressed, CompressionMode.Decompress);
            byte[] buffer = new byte[1 << 16];
            int read;
            while (count <= limit && (read = inflated.Read(buffer)) > 0)
                count += read;
        }
        catch (InvalidDataException e)
        {
            throw new FormatException("damaged PNG picture: its compressed data is invalid", e);
        }

        return count;
    }

    private static long DataBytes(ImageHeader header, byte[] bytes)
    {
        int depth = bytes[24];
        int channels = bytes[25] switch
        {
            0 or 3 => 1,
            2 => 3,
            4 => 2,
            6 => 4,
            _ => throw new FormatException("damaged PNG picture: unknown color type"),
        };
        if (bytes[28] == 0)
            return PassBytes(header.Width, header.Height);

        // Adam7 interlacing: seven sub-pictures, each with start and step per axis.
        long sum = 0;
        ReadOnlySpan<(int X, int Y, int StepX, int StepY)> passes =
            [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
        foreach (var (x, y, stepX, stepY) in passes)
            sum += PassBytes(((long)header.Width - x + stepX - 1) / stepX, ((long)header.Height - y + stepY - 1) / stepY);
        return sum;

        // Every row starts with a filter byte.
        long PassBytes(long width, long height) => width <= 0 ? 0 : height * (1 + (width * channels * depth + 7) / 8);
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
            crc = (crc >> 8) ^ ChecksumTable[(byte)crc ^ value];
        return ~crc;
    }

    private static uint[] BuildChecksumTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
            table[i] = value;
        }

        return table;
    }
}
