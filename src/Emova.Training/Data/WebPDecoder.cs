using System.Runtime.InteropServices;

namespace Emova.Training.Data;

/// <summary>Decodes WebP through the system's libwebp (Debian package libwebp7); only drawing with other artists' emoji needs it.</summary>
public static partial class WebPDecoder
{
    public const string Package = "libwebp7";

    /// <summary>Whether the library can be loaded on this machine.</summary>
    public static bool IsAvailable => NativeLibrary.TryLoad("libwebp.so.7", out _);

    /// <exception cref="EmovaException">The library is missing or the file is damaged.</exception>
    public static GlyphImage Decode(byte[] data, string name)
    {
        if (!IsAvailable)
            throw new EmovaException($"libwebp.so.7: not found; install the Debian package {Package} (apt-get install {Package})");
        nint pixels = WebPDecodeRGBA(data, (nuint)data.Length, out int width, out int height);
        if (pixels == 0)
            throw new EmovaException($"{name}: not a WebP picture, or damaged");
        try
        {
            byte[] rgba = new byte[width * height * 4];
            Marshal.Copy(pixels, rgba, 0, rgba.Length);
            return GlyphImage.FromRgba(width, height, rgba);
        }
        finally
        {
            WebPFree(pixels);
        }
    }

    [LibraryImport("libwebp.so.7")]
    private static partial nint WebPDecodeRGBA(byte[] data, nuint size, out int width, out int height);

    [LibraryImport("libwebp.so.7")]
    private static partial void WebPFree(nint pixels);
}
