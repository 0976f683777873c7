using System.Buffers.Binary;

namespace Emova.Media;

/// <summary>What a picture file says about itself, read without decoding it.</summary>
/// <param name="Format">PNG, JPEG, BMP or GIF.</param>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Orientation">EXIF orientation 1..8; 1 when absent.</param>
internal sealed record ImageHeader(string Format, int Width, int Height, int Orientation)
{
    /// <exception cref="FormatException">Not one of the formats, or the header is damaged.</exception>
    public static ImageHeader Read(ReadOnlySpan<byte> bytes)
    {
        ImageHeader header =
            bytes.StartsWith(PngStructure.Signature) ? ReadPng(bytes) :
            bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? ReadJpeg(bytes) :
            bytes.StartsWith("GIF87a"u8) || bytes.StartsWith("GIF89a"u8) ? ReadGif(bytes) :
            bytes.StartsWith("BM"u8) ? ReadBmp(bytes) :
            throw new FormatException(bytes.IsEmpty ? "the file is empty" : "not a PNG, JPEG, BMP or GIF picture");
        if (header.Width < 1 || header.Height < 1)
            throw new FormatException($"damaged {header.Format} picture: its size is {header.Width} x {header.Height}");
        return header;
    }

    /// <summary>Detects files that end early. Decoders would fill the rest of such pictures with gray or garbage.</summary>
    /// <exception cref="FormatException">Data is missing or, for PNG, fails its checksums.</exception>
    public static void CheckComplete(ImageHeader header, byte[] bytes)
    {
        if ((long)header.Width * header.Height > header.MaxPixelsPerByte * bytes.Length)
            throw new FormatException($"truncated {header.Format} picture: {bytes.Length} bytes cannot hold {header.Width} x {header.Height} pixels");
        bool complete = header.Format switch
        {
            "PNG" => PngStructure.IsComplete(header, bytes),
            "JPEG" => bytes.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0xFF, 0xD9]) > 0,
            "BMP" => IsBmpComplete(header, bytes),
            _ => bytes.AsSpan().TrimEnd((byte)0).EndsWith((ReadOnlySpan<byte>)[0x3B]),
        };
        if (!complete)
            throw new FormatException($"truncated {header.Format} picture");
    }

    /// <summary>
    /// More than compression can achieve, so that a few bytes cannot make a decoder allocate a large picture: in a JPEG a block of 64
    /// pixels takes at least a bit, which is 512 pixels per byte; in a GIF a code stands for fewer than 4096 pixels and takes more than a
    /// byte once it can. PNG and BMP data is measured instead.
    /// </summary>
    private long MaxPixelsPerByte => Format switch
    {
        "JPEG" => 1024,
        "GIF" => 4096,
        _ => int.MaxValue,
    };

    private static ImageHeader ReadPng(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 33 || !bytes[12..].StartsWith("IHDR"u8))
            throw new FormatException("damaged PNG picture: no header chunk");
        return new ImageHeader("PNG", BinaryPrimitives.ReadInt32BigEndian(bytes[16..]), BinaryPrimitives.ReadInt32BigEndian(bytes[20..]), 1);
    }

    private static ImageHeader ReadGif(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 13)
            throw new FormatException("truncated GIF picture");
        return new ImageHeader("GIF", BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]), 1);
    }

    private static ImageHeader ReadBmp(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 26)
            throw new FormatException("truncated BMP picture");
        int headerSize = BinaryPrimitives.ReadInt32LittleEndian(bytes[14..]);
        if (headerSize == 12)
            return new ImageHeader("BMP", BinaryPrimitives.ReadUInt16LittleEndian(bytes[18..]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[20..]), 1);
        if (headerSize is < 40 or > 1024)
            throw new FormatException("not a PNG, JPEG, BMP or GIF picture");
        // A negative height marks rows stored from the top.
        int height = BinaryPrimitives.ReadInt32LittleEndian(bytes[22..]);
        return new ImageHeader("BMP", BinaryPrimitives.ReadInt32LittleEndian(bytes[18..]), height == int.MinValue ? 0 : Math.Abs(height), 1);
    }

    private static ImageHeader ReadJpeg(ReadOnlySpan<byte> bytes)
    {
        int orientation = 1;
        int position = 2;
        while (position + 4 <= bytes.Length)
        {
            if (bytes[position] != 0xFF)
                throw new FormatException("damaged JPEG picture: expected a marker");
            byte marker = bytes[position + 1];
            if (marker == 0xFF)
            {
                position++; // fill byte
                continue;
            }

            int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[(position + 2)..]);
            if (length < 2 || position + 2 + length > bytes.Length)
                throw new FormatException("truncated JPEG picture");
            ReadOnlySpan<byte> body = bytes.Slice(position + 4, length - 2);
            if (marker == 0xE1 && body.StartsWith("Exif\0\0"u8))
                orientation = ReadExifOrientation(body[6..]);
            // Start of frame: C0..CF except the three that are tables.
            if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC))
            {
                if (body.Length < 6)
                    throw new FormatException("damaged JPEG picture: short frame header");
                return new ImageHeader(
                    "JPEG", BinaryPrimitives.ReadUInt16BigEndian(body[3..]), BinaryPrimitives.ReadUInt16BigEndian(body[1..]), orientation);
            }

            position += 2 + length;
        }

        throw new FormatException("truncated JPEG picture");
    }

    /// <summary>Tag 0x0112 of the first directory; damage in this optional block is not an error.</summary>
    private static int ReadExifOrientation(ReadOnlySpan<byte> tiff)
    {
        const int entrySize = 12;
        if (tiff.Length < 8)
            return 1;
        bool little = tiff.StartsWith("II"u8);
        if (!little && !tiff.StartsWith("MM"u8))
            return 1;
        uint directory = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (directory > tiff.Length - 2)
            return 1;
        int entries = Read16(tiff[(int)directory..], little);
        for (int i = 0; i < entries; i++)
        {
            int offset = (int)directory + 2 + i * entrySize;
            if (offset + entrySize > tiff.Length)
                break;
            ReadOnlySpan<byte> entry = tiff.Slice(offset, entrySize);
            if (Read16(entry, little) == 0x0112)
                return Read16(entry[8..], little) is >= 1 and <= 8 and var value ? value : 1;
        }

        return 1;

        static int Read16(ReadOnlySpan<byte> bytes, bool little) =>
            little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
    }

    private static bool IsBmpComplete(ImageHeader header, ReadOnlySpan<byte> bytes)
    {
        uint dataStart = BinaryPrimitives.ReadUInt32LittleEndian(bytes[10..]);
        bool small = BinaryPrimitives.ReadInt32LittleEndian(bytes[14..]) == 12;
        if (bytes.Length < (small ? 26 : 54))
            return false;
        int bits = BinaryPrimitives.ReadUInt16LittleEndian(bytes[(small ? 24 : 28)..]);
        bool compressed = !small && BinaryPrimitives.ReadInt32LittleEndian(bytes[30..]) is 1 or 2;
        long rowBytes = ((long)header.Width * bits + 31) / 32 * 4;
        return compressed || dataStart + rowBytes * header.Height <= bytes.Length;
    }
}
