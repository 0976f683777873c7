using System.Buffers.Binary;

namespace Emova.Training.Data;

/// <summary>
/// The PNG pictures inside an OpenType font with color bitmaps. Reads the character map (cmap format 12) and the tables
/// CBLC and CBDT, see https://learn.microsoft.com/typography/opentype/spec/cbdt.
/// </summary>
public sealed class ColorBitmapFont
{
    private readonly byte[] _data;
    private readonly Dictionary<int, int> _glyphs = [];                       // code point -> glyph
    private readonly Dictionary<int, (int Offset, int Length)> _pngs = [];    // glyph -> bytes of its PNG

    private ColorBitmapFont(byte[] data) => _data = data;

    /// <exception cref="EmovaException">Not such a font, or damaged.</exception>
    public static ColorBitmapFont Parse(byte[] data, string name)
    {
        try
        {
            var font = new ColorBitmapFont(data);
            Dictionary<string, int> tables = font.Tables();
            font.ReadCharacterMap(tables["cmap"]);
            font.ReadBitmaps(tables["CBLC"], tables["CBDT"]);
            return font;
        }
        catch (Exception e) when (e is KeyNotFoundException or ArgumentOutOfRangeException or IndexOutOfRangeException)
        {
            throw new EmovaException($"{name}: not a font with color bitmaps, or damaged", e);
        }
    }

    /// <summary>The PNG file of a code point, or null if the font does not draw it.</summary>
    public byte[]? Png(int codePoint) =>
        _glyphs.TryGetValue(codePoint, out int glyph) && _pngs.TryGetValue(glyph, out var place)
            ? _data.AsSpan(place.Offset, place.Length).ToArray()
            : null;

    private Dictionary<string, int> Tables()
    {
        var tables = new Dictionary<string, int>();
        int count = U16(4);
        for (int i = 0; i < count; i++)
        {
            int record = 12 + (16 * i);
            string tag = System.Text.Encoding.ASCII.GetString(_data.AsSpan(record, 4));
            tables[tag] = I32(record + 8);
        }
        return tables;
    }

    private void ReadCharacterMap(int table)
    {
        int count = U16(table + 2);
        for (int i = 0; i < count; i++)
        {
            int subtable = table + I32(table + 4 + (8 * i) + 4);
            if (U16(subtable) != 12)
                continue;
            int groups = I32(subtable + 12);
            for (int g = 0; g < groups; g++)
            {
                int group = subtable + 16 + (12 * g);
                int first = I32(group), last = I32(group + 4), glyph = I32(group + 8);
                ArgumentOutOfRangeException.ThrowIfGreaterThan(last, 0x10FFFF);
                for (int code = first; code <= last; code++)
                    _glyphs[code] = glyph + code - first;
            }
        }
    }

    private void ReadBitmaps(int location, int bitmaps)
    {
        int sizes = I32(location + 4);
        for (int s = 0; s < sizes; s++)
        {
            int size = location + 8 + (48 * s);
            int array = location + I32(size);
            int subtables = I32(size + 8);
            for (int i = 0; i < subtables; i++)
            {
                int entry = array + (8 * i);
                ReadSubtable(array + I32(entry + 4), bitmaps, U16(entry), U16(entry + 2));
            }
        }
    }

    private void ReadSubtable(int subtable, int bitmaps, int first, int last)
    {
        int indexFormat = U16(subtable), imageFormat = U16(subtable + 2), image = bitmaps + I32(subtable + 4);
        if (indexFormat is not (1 or 3) || imageFormat is not (17 or 18 or 19))
            return; // other formats hold no PNG with its own length, or none at all
        // Formats 17 and 18 put 5 or 8 bytes of metrics before the length; 19 none.
        int metrics = imageFormat switch { 17 => 5, 18 => 8, _ => 0 };
        for (int glyph = first; glyph <= last; glyph++)
        {
            int n = glyph - first;
            int begin = indexFormat == 1 ? I32(subtable + 8 + (4 * n)) : U16(subtable + 8 + (2 * n));
            int end = indexFormat == 1 ? I32(subtable + 12 + (4 * n)) : U16(subtable + 10 + (2 * n));
            if (end > begin)
                _pngs[glyph] = (image + begin + metrics + 4, I32(image + begin + metrics));
        }
    }

    private int U16(int offset) => BinaryPrimitives.ReadUInt16BigEndian(_data.AsSpan(offset, 2));

    private int I32(int offset) => BinaryPrimitives.ReadInt32BigEndian(_data.AsSpan(offset, 4));
}
