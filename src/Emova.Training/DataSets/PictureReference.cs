using Emova.Media;
using Microsoft.Win32.SafeHandles;

namespace Emova.Training.DataSets;

/// <summary>A picture of a data set: a file, a part of a file, or bytes.</summary>
/// <param name="Name">for messages</param>
/// <param name="Path">the file; null = <paramref name="Bytes"/></param>
/// <param name="Offset">where it begins in the file</param>
/// <param name="Length">its length; −1 = to the end of the file</param>
/// <param name="Bytes">the picture itself</param>
public sealed record PictureReference(string Name, string? Path, long Offset = 0, long Length = -1, byte[]? Bytes = null)
{
    private const long MostPixels = ImageFile.DefaultMaxPixels;
    private const long LargestFile = 256 << 20;

    /// <summary>Headers with a camera's preview picture are longer than others; this holds all but the strangest.</summary>
    private const int HeaderBytes = 256 << 10;

    /// <summary>Width and height from the header.</summary>
    /// <exception cref="DefectException">The file is missing or no picture.</exception>
    public (int Width, int Height) Size()
    {
        try
        {
            byte[] start = Read(HeaderBytes);
            try
            {
                return ImageFile.ReadSize(start, Name);
            }
            catch (EmovaException) when (start.Length == HeaderBytes)
            {
                return ImageFile.ReadSize(Read(LargestFile), Name);
            }
        }
        catch (EmovaException e) when (e is not DefectException)
        {
            throw new DefectException(DefectKind.BrokenPicture, e.Message);
        }
    }

    /// <summary>The decoded picture.</summary>
    /// <exception cref="DefectException">The file is missing or no picture.</exception>
    public RgbImage Load()
    {
        try
        {
            return ImageFile.Decode(Read(LargestFile), Name, MostPixels);
        }
        catch (EmovaException e) when (e is not DefectException)
        {
            throw new DefectException(DefectKind.BrokenPicture, e.Message);
        }
    }

    private byte[] Read(long most)
    {
        if (Bytes is not null)
        {
            return Bytes;
        }

        try
        {
            using SafeFileHandle file = File.OpenHandle(Path!);
            long whole = Length >= 0 ? Length : RandomAccess.GetLength(file) - Offset;
            if (whole > LargestFile)
            {
                throw new DefectException(DefectKind.BrokenPicture, $"{Name}: {whole} bytes, more than a picture may have ({LargestFile})");
            }

            byte[] bytes = new byte[Math.Min(whole, most)];
            int read = 0;
            for (int count; read < bytes.Length && (count = RandomAccess.Read(file, bytes.AsSpan(read), Offset + read)) > 0;)
            {
                read += count;
            }

            return read == bytes.Length ? bytes : bytes[..read];
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DefectException(DefectKind.MissingFile, $"{Name}: there is no such file");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DefectException(DefectKind.BrokenPicture, $"{Name}: cannot be read: {e.Message}");
        }
    }
}
