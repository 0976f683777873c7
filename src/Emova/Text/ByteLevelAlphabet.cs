using System.Text;

namespace Emova.Text;

/// <summary>
/// The alphabet of byte-level BPE: each of the 256 byte values is written as one printable character
/// (printable Latin-1 as itself, the rest as U+0100 onwards in order), so that vocabulary entries are plain strings.
/// </summary>
public static class ByteLevelAlphabet
{
    private static readonly char[] CharOfByte = BuildTable();
    private static readonly Dictionary<char, byte> ByteOfChar =
        CharOfByte.Select((character, value) => (character, (byte)value)).ToDictionary(pair => pair.character, pair => pair.Item2);

    /// <summary>The vocabulary spelling of the bytes.</summary>
    public static string ToPiece(ReadOnlySpan<byte> bytes)
    {
        StringBuilder piece = new(bytes.Length);
        foreach (byte value in bytes)
            piece.Append(CharOfByte[value]);
        return piece.ToString();
    }

    /// <summary>The bytes of a vocabulary entry. Characters outside the alphabet stand for their own UTF-8 bytes.</summary>
    public static byte[] ToBytes(string piece)
    {
        ArgumentNullException.ThrowIfNull(piece);
        List<byte> bytes = new(piece.Length);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in piece.EnumerateRunes())
        {
            if (rune.IsBmp && ByteOfChar.TryGetValue((char)rune.Value, out byte value))
                bytes.Add(value);
            else
                bytes.AddRange(utf8[..rune.EncodeToUtf8(utf8)]);
        }

        return [.. bytes];
    }

    private static char[] BuildTable()
    {
        char[] table = new char[256];
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            table[value] = printable ? (char)value : (char)next++;
        }

        return table;
    }
}
