using System.Buffers.Binary;
using System.Text;
using Emova.Training.Data;
using Xunit;

namespace Emova.Training.Tests.Data;

public sealed class ColorBitmapFontTests
{
    private static readonly byte[] First = [1, 2, 3];
    private static readonly byte[] Second = [9, 8, 7, 6, 5];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Pictures_are_found_by_code_point(int indexFormat)
    {
        var font = ColorBitmapFont.Parse(Build(indexFormat), "test.ttf");
        Assert.Equal(First, font.Png(0x1F408));
        Assert.Equal(Second, font.Png(0x1F409));
        Assert.Null(font.Png('a'));
    }

    [Fact]
    public void A_damaged_font_is_reported_by_name()
    {
        byte[] data = Build(1);
        var error = Assert.Throws<EmovaException>(() => ColorBitmapFont.Parse(data[..60], "test.ttf"));
        Assert.Contains("test.ttf", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A font of two glyphs, written field by field after the OpenType specification.</summary>
    private static byte[] Build(int indexFormat)
    {
        byte[] cmap = Concat(U16(0), U16(1), U16(3), U16(10), U32(12),
            U16(12), U16(0), U32(28), U32(0), U32(1), U32(0x1F408), U32(0x1F409), U32(4));
        byte[] Image(byte[] png) => Concat([100, 100, 0, 0, 100], U32(png.Length), png); // format 17: small metrics
        byte[] first = Image(First), second = Image(Second);
        byte[] cbdt = Concat(U32(0x00030000), first, second);
        int[] offsets = [0, first.Length, first.Length + second.Length];
        byte[] array = Concat(U16(4), U16(5), U32(8), U16(indexFormat), U16(17), U32(4),
            Concat([.. offsets.Select(o => indexFormat == 1 ? U32(o) : U16(o))]));
        byte[] cblc = Concat(U32(0x00030000), U32(1), U32(56), U32(array.Length), U32(1), U32(0), new byte[32], array);
        int at = 12 + (3 * 16);
        return Concat(U32(0x00010000), U16(3), U16(0), U16(0), U16(0),
            Encoding.ASCII.GetBytes("CBDT"), U32(0), U32(at), U32(cbdt.Length),
            Encoding.ASCII.GetBytes("CBLC"), U32(0), U32(at + cbdt.Length), U32(cblc.Length),
            Encoding.ASCII.GetBytes("cmap"), U32(0), U32(at + cbdt.Length + cblc.Length), U32(cmap.Length),
            cbdt, cblc, cmap);
    }

    private static byte[] Concat(params byte[][] parts) => [.. parts.SelectMany(p => p)];

    private static byte[] U16(int value)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)value);
        return bytes;
    }

    private static byte[] U32(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
