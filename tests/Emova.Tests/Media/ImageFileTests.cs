using System.Buffers.Binary;
using CsCheck;
using Emova.Checkpoints;
using Emova.Media;
using StbImageWriteSharp;
using Xunit;

namespace Emova.Tests.Media;

public sealed class ImageFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void GoldenPngsDecodeExactly()
    {
        using FixtureCase fixture = Fixtures.Open("qwen2vit");
        foreach ((int i, string file) in new[] { "a_70x57.png", "b_112x140.png" }.Index())
        {
            RgbImage image = ImageFile.Load(fixture.PathOf(file));
            Assert.Equal([image.Height, image.Width, 3], fixture.Inputs.Tensors[$"decoded_uint8.{i}"].Shape);
            Assert.Equal(fixture.Inputs.ReadBytes($"decoded_uint8.{i}"), image.Pixels);
        }
    }

    [Fact]
    public void LosslessFormatsKeepPixelsAndDropAlpha()
    {
        byte[] rgba = [.. Enumerable.Range(0, 7 * 5 * 4).Select(i => (byte)(i * 37))];
        byte[] expected = [.. rgba.Where((_, i) => i % 4 != 3)];
        foreach (byte[] file in new[] { Encode(w => w.WritePng), Encode(w => w.WriteBmp) })
        {
            RgbImage image = ImageFile.Decode(file, "x");
            Assert.Equal((7, 5), (image.Width, image.Height));
            Assert.Equal(expected, image.Pixels);
        }

        byte[] Encode(Func<ImageWriter, Action<byte[], int, int, ColorComponents, Stream>> format)
        {
            using MemoryStream stream = new();
            format(new ImageWriter())(rgba, 7, 5, ColorComponents.RedGreenBlueAlpha, stream);
            return stream.ToArray();
        }
    }

    [Fact]
    public void FirstGifFrameIsRead()
    {
        // 2 x 1 pixels, palette red and blue, LZW codes: clear, 0, 1, end.
        byte[] gif =
        [
            .. "GIF89a"u8, 2, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255,
            0x2C, 0, 0, 0, 0, 2, 0, 1, 0, 0, 2, 2, 0x44, 0x0A, 0, 0x3B,
        ];
        Assert.Equal([255, 0, 0, 0, 0, 255], ImageFile.Decode(gif, "x").Pixels);
        Assert.Contains("truncated GIF", Error(gif[..^1]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void ExifOrientationTurnsThePictureUpright(int orientation)
    {
        // Quadrants of the stored picture; EXIF defines where its row 0 and column 0 appear.
        byte[] jpeg = QuadrantJpeg();
        RgbImage stored = ImageFile.Decode(jpeg, "x");
        foreach (bool little in new[] { true, false })
        {
            RgbImage shown = ImageFile.Decode(WithOrientation(jpeg, orientation, little), "x");
            string[] corners = [Corner(shown, 0, 0), Corner(shown, 1, 0), Corner(shown, 0, 1), Corner(shown, 1, 1)];
            Assert.Equal(orientation >= 5 ? (stored.Height, stored.Width) : (stored.Width, stored.Height), (shown.Width, shown.Height));
            Assert.Equal(orientation switch // top left, top right, bottom left, bottom right
            {
                1 => ["red", "green", "blue", "white"],
                2 => ["green", "red", "white", "blue"],
                3 => ["white", "blue", "green", "red"],
                4 => ["blue", "white", "red", "green"],
                5 => ["red", "blue", "green", "white"],
                6 => ["blue", "red", "white", "green"],
                7 => ["white", "green", "blue", "red"],
                _ => ["green", "white", "red", "blue"],
            }, corners);
        }
    }

    [Fact]
    public void DamagedExifIsIgnored()
    {
        byte[] jpeg = QuadrantJpeg();
        byte[] withExif = WithOrientation(jpeg, 6, little: true);
        foreach (int position in Enumerable.Range(12, 24)) // every byte of the TIFF header and the entry
        {
            byte[] damaged = [.. withExif];
            damaged[position] ^= 0xFF;
            Assert.Equal(32 * 48 * 3, ImageFile.Decode(damaged, "x").Pixels.Length);
        }
    }

    [Fact]
    public void TooLargeMislabeledEmptyAndMissingFilesAreRefused()
    {
        File.WriteAllText(folder["text.png"], "hello");
        Assert.Equal($"{folder["text.png"]}: not a PNG, JPEG, BMP or GIF picture", ErrorOf(folder["text.png"]));
        File.WriteAllBytes(folder["empty.jpg"], []);
        Assert.Contains("the file is empty", ErrorOf(folder["empty.jpg"]));
        Assert.Contains("cannot read", ErrorOf(folder["none.jpg"]));
        Assert.Contains("cannot read", ErrorOf(folder.Folder));

        byte[] png = File.ReadAllBytes(Fixtures.File("qwen2vit", "a_70x57.png"));
        File.WriteAllBytes(folder["really-png.jpg"], png); // content decides, not the name
        Assert.Equal(70, ImageFile.Load(folder["really-png.jpg"]).Width);
        Assert.Contains("70 x 57 pixels, more than the limit of 3000", Assert.Throws<EmovaException>(() => ImageFile.Decode(png, "x", 3000)).Message);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), 20_000);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), 20_000);
        Assert.Contains("20000 x 20000 pixels, more than the limit", Error(png));
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), 0);
        Assert.Contains("size is 0 x 20000", Error(png));
    }

    [Fact]
    public void AFewBytesCannotAskForALargePicture()
    {
        byte[] gif = [.. "GIF89a"u8, 0x40, 0x1F, 0x40, 0x1F, 0, 0, 0, 0x2C, 0, 0, 0, 0, 0x40, 0x1F, 0x40, 0x1F, 0, 2, 2, 0x4C, 1, 0, 0x3B];
        byte[] jpeg = QuadrantJpeg();
        int frame = jpeg.AsSpan().IndexOf((byte[])[0xFF, 0xC0]);
        (jpeg[frame + 5], jpeg[frame + 7]) = (0x1F, 0x1F); // from 32 x 48 to 7968 x 7984 pixels
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("bytes cannot hold 8000 x 8000 pixels", Error(gif));
        Assert.Contains($"truncated JPEG picture: {jpeg.Length} bytes cannot hold", Error(jpeg));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void EveryTruncationIsNoticed()
    {
        byte[] png = File.ReadAllBytes(Fixtures.File("qwen2vit", "a_70x57.png"));
        byte[] jpeg = QuadrantJpeg();
        foreach (byte[] file in new[] { png, jpeg })
        {
            for (int length = 0; length < file.Length; length += 7)
                Assert.StartsWith("x: ", Error(file[..length]));
        }
    }

    [Fact]
    public void DamagedPngDataIsNoticedByItsChecksum()
    {
        byte[] png = File.ReadAllBytes(Fixtures.File("qwen2vit", "a_70x57.png"));
        png[png.Length / 2] ^= 1;
        Assert.Contains("checksum", Error(png));
    }

    [Fact]
    public void MutatedJpegsAreReadOrRefusedCleanly()
    {
        byte[] original = QuadrantJpeg();
        int accepted = 0, refused = 0;
        Gen.Select(Gen.Int[0, original.Length - 1], Gen.Byte).Array[1, 4].Sample(changes =>
        {
            byte[] bytes = [.. original];
            foreach ((int position, byte value) in changes)
                bytes[position] = value;
            try
            {
                RgbImage image = ImageFile.Decode(bytes, "x", maxPixels: 1 << 20);
                Assert.Equal(3 * image.Width * image.Height, image.Pixels.Length);
                accepted++;
            }
            catch (EmovaException e)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }, iter: 500, threads: 1);
        Assert.True(accepted > 0 && refused > 0, $"{accepted} accepted, {refused} refused");
    }

    private static string Error(byte[] bytes) => Assert.Throws<EmovaException>(() => ImageFile.Decode(bytes, "x")).Message;

    private static string ErrorOf(string path) => Assert.Throws<EmovaException>(() => ImageFile.Load(path)).Message;

    private static byte[] QuadrantJpeg()
    {
        const int width = 48, height = 32;
        byte[] pixels = new byte[3 * width * height];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                bool right = x >= width / 2, bottom = y >= height / 2;
                byte[] color = (right, bottom) switch
                {
                    (false, false) => [255, 0, 0],
                    (true, false) => [0, 255, 0],
                    (false, true) => [0, 0, 255],
                    _ => [255, 255, 255],
                };
                color.CopyTo(pixels, 3 * (y * width + x));
            }
        }

        using MemoryStream stream = new();
        new ImageWriter().WriteJpg(pixels, width, height, ColorComponents.RedGreenBlue, stream, 95);
        return stream.ToArray();
    }

    private static byte[] WithOrientation(byte[] jpeg, int orientation, bool little)
    {
        byte[] exif = little
            ? [.. "II"u8, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0]
            : [.. "MM"u8, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0];
        return [0xFF, 0xD8, 0xFF, 0xE1, 0, (byte)(2 + 6 + exif.Length), .. "Exif\0\0"u8, .. exif, .. jpeg[2..]];
    }

    private static string Corner(RgbImage image, int right, int bottom)
    {
        int x = (image.Width - 1) * (1 + 2 * right) / 4, y = (image.Height - 1) * (1 + 2 * bottom) / 4;
        Span<byte> pixel = image.Pixels.AsSpan(3 * (y * image.Width + x), 3);
        return (pixel[0] > 128, pixel[1] > 128, pixel[2] > 128) switch
        {
            (true, false, false) => "red",
            (false, true, false) => "green",
            (false, false, true) => "blue",
            (true, true, true) => "white",
            _ => $"({pixel[0]}, {pixel[1]}, {pixel[2]})",
        };
    }
}
