using System.Buffers.Binary;

namespace Emova.Fuzz;

/// <summary>Damages valid inputs the way broken downloads and hostile authors do.</summary>
public sealed class Mutator(int seed)
{
    private const int MaxLength = 1 << 16;

    private static readonly long[] Extremes =
        [0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1 << 24, int.MaxValue, 1L << 31, uint.MaxValue, 1L << 32, 1L << 40, long.MaxValue, long.MinValue, -1, -2];

    private static readonly string[] Words =
        ["-1", "1e999", "99999999999999999999", "null", "true", "[]", "{}", "\"\"", "\\u0000", "\\ud800", "NaN", "[[[[[[[[[[[[[[[[", "{\"a\":", "[0,0]", "0.5"];

    private readonly Random _random = new(seed);

    /// <summary>One to eight mutations of one seed.</summary>
    public byte[] Next(IReadOnlyList<byte[]> seeds)
    {
        byte[] data = [.. seeds[_random.Next(seeds.Count)]];
        for (int i = 1 << _random.Next(4); i > 0; i--)
            data = Mutate(data, seeds);
        return data;
    }

    private byte[] Mutate(byte[] data, IReadOnlyList<byte[]> seeds)
    {
        if (data.Length == 0) return [(byte)_random.Next(256)];
        // Headers decide how the rest is read, so half of the damage goes to the first bytes.
        int at = _random.Next(2) == 0 ? _random.Next(Math.Min(data.Length, 64)) : _random.Next(data.Length);
        switch (_random.Next(9))
        {
            case 0:
                data[at] ^= (byte)(1 << _random.Next(8));
                return data;
            case 1:
                data[at] = (byte)_random.Next(256);
                return data;
            case 2:
                return WriteExtreme(data, at);
            case 3:
                return data[..at];
            case 4:
                return Remove(data, at, _random.Next(1, 32));
            case 5:
                return Insert(data, at, data.AsSpan(_random.Next(data.Length)));
            case 6:
                return Insert(data, at, System.Text.Encoding.ASCII.GetBytes(Words[_random.Next(Words.Length)]));
            case 7:
                byte[] other = seeds[_random.Next(seeds.Count)];
                return [.. data.AsSpan(0, at), .. other.AsSpan(Math.Min(at, other.Length))];
            default:
                return ReplaceDigits(data, at);
        }
    }

    private byte[] WriteExtreme(byte[] data, int at)
    {
        long value = Extremes[_random.Next(Extremes.Length)];
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        if (_random.Next(4) == 0) bytes.Reverse();
        int width = Math.Min(1 << _random.Next(4), data.Length - at);
        bytes[..width].CopyTo(data.AsSpan(at));
        return data;
    }

    /// <summary>Numbers in text grow or change sign.</summary>
    private byte[] ReplaceDigits(byte[] data, int at)
    {
        int digit = data.AsSpan(at).IndexOfAnyInRange((byte)'0', (byte)'9');
        if (digit < 0) return data;
        return Insert(Remove(data, at + digit, 1), at + digit, System.Text.Encoding.ASCII.GetBytes(Extremes[_random.Next(Extremes.Length)].ToString()));
    }

    private static byte[] Remove(byte[] data, int at, int count) => [.. data.AsSpan(0, at), .. data.AsSpan(Math.Min(data.Length, at + count))];

    private static byte[] Insert(byte[] data, int at, ReadOnlySpan<byte> inserted)
    {
        int count = Math.Clamp(MaxLength - data.Length, 0, Math.Min(inserted.Length, 256));
        return [.. data.AsSpan(0, at), .. inserted[..count], .. data.AsSpan(at)];
    }
}
