using StbImageSharp;

namespace Emova.Media;

/// <summary>
/// Loads PNG, JPEG, BMP and GIF (first frame) pictures as RGB. Transparency is dropped, not blended, as the reference does.
/// The EXIF orientation of JPEG files is applied. Headers and sizes are checked before anything is decoded.
/// </summary>
public static class ImageFile
{
    /// <summary>Default limit on width * height of an accepted picture.</summary>
    public const long DefaultMaxPixels = 64_000_000;

    // No sensible encoding needs more than the raw pixels; small pictures may carry large metadata.
    private const long MetadataBytes = 16 << 20;

    /// <summary>Reads and decodes a file.</summary>
    /// <param name="path">The file; its type is recognized from its content.</param>
    /// <param name="maxPixels">Largest accepted width * height.</param>
    /// <exception cref="EmovaException">The file is missing, too large, damaged or not a supported picture.</exception>
    public static RgbImage Load(string path, long maxPixels = DefaultMaxPixels)
    {
        byte[] bytes;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            long limit = 4 * maxPixels + MetadataBytes;
            if (stream.Length > limit)
                throw new EmovaException($"{path}: the file has {stream.Length} bytes, more than a picture may have ({limit})");
            bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new EmovaException($"{path}: cannot read the picture: {e.Message}", e);
        }

        return Decode(bytes, path, maxPixels);
    }

    /// <summary>The size of a picture after its EXIF orientation is applied, from its header alone.</summary>
    /// <param name="bytes">Content of a PNG, JPEG, BMP or GIF file, or as much of its beginning as holds the header.</param>
    /// <param name="name">Used in error messages.</param>
    /// <exception cref="EmovaException">The beginning is damaged or not that of a supported picture.</exception>
    public static (int Width, int Height) ReadSize(ReadOnlySpan<byte> bytes, string name)
    {
        try
        {
            ImageHeader header = ImageHeader.Read(bytes);
            return header.Orientation >= 5 ? (header.Height, header.Width) : (header.Width, header.Height);
        }
        catch (FormatException e)
        {
            throw new EmovaException($"{name}: {e.Message}", e);
        }
    }

    /// <summary>Decodes a picture held in memory.</summary>
    /// <param name="bytes">Content of a PNG, JPEG, BMP or GIF file.</param>
    /// <param name="name">Used in error messages.</param>
    /// <param name="maxPixels">Largest accepted width * height.</param>
    /// <exception cref="EmovaException">The content is too large, damaged or not a supported picture.</exception>
    public static RgbImage Decode(byte[] bytes, string name, long maxPixels = DefaultMaxPixels)
    {
        ImageHeader header;
        try
        {
            header = ImageHeader.Read(bytes);
            if ((long)header.Width * header.Height > maxPixels)
            {
                throw new EmovaException(
                    $"{name}: the picture has {header.Width} x {header.Height} pixels, more than the limit of {maxPixels}; scale it down first");
            }

            ImageHeader.CheckComplete(header, bytes);
        }
        catch (FormatException e)
        {
            throw new EmovaException($"{name}: {e.Message}", e);
        }

        ImageResult result;
        try
        {
            result = ImageResult.FromMemory(bytes, ColorComponents.RedGreenBlue);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The decoder reports damage with whatever exception its port of C code runs into.
            throw new EmovaException($"{name}: damaged {header.Format} picture: {e.Message}", e);
        }

        if (result.Width != header.Width || result.Height != header.Height || result.Data.LongLength != 3L * header.Width * header.Height)
            throw new EmovaException($"{name}: damaged {header.Format} picture: the data does not have the size given in its header");
        return new RgbImage(result.Width, result.Height, result.Data).Orient(header.Orientation);
    }
}
