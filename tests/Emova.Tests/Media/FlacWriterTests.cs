using System.Buffers.Binary;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

/// <summary>FLAC files are decoded by a reader written from RFC 9639, checksums included, and give back every sample.</summary>
public sealed class FlacWriterTests
{
    [Theory]
    [InlineData(0, "tone")]
    [InlineData(1, "tone")]
    [InlineData(4096, "tone")]
    [InlineData(4097, "noise")]
    [InlineData(20000, "tone")]
    [InlineData(9000, "silence")]
    [InlineData(5000, "extremes")]
    [InlineData(700_000, "silence")] // frame numbers of more than one byte
    public void Every_sample_comes_back(int length, string kind)
    {
        Random random = new(1);
        float[] samples = [.. Enumerable.Range(0, length).Select(i => kind switch
        {
            "tone" => 0.5f * MathF.Sin(0.02f * i),
            "noise" => (float)(2 * random.NextDouble() - 1),
            "extremes" => i % 2 == 0 ? 1f : -1f,
            _ => 0f,
        })];
        using MemoryStream file = new();
        using (FlacWriter writer = new(file, 24000))
        {
            // Pieces of odd sizes: blocks do not depend on them.
            for (int i = 0; i < samples.Length; i += 777)
                writer.Write(samples.AsSpan(i, Math.Min(777, samples.Length - i)));
        }

        (int rate, List<int> decoded) = Decode(file.ToArray());
        Assert.Equal(24000, rate);
        byte[] expected = Pcm16.ToBytes(samples);
        Assert.Equal(length, decoded.Count);
        for (int i = 0; i < length; i++)
            Assert.True(BinaryPrimitives.ReadInt16LittleEndian(expected.AsSpan(2 * i)) == decoded[i], $"sample {i}");
        if (kind == "tone" && length >= 20000)
            Assert.True(file.Length < samples.Length, $"{file.Length} bytes for {samples.Length} samples: hardly compressed");
    }

    private static (int Rate, List<int> Samples) Decode(byte[] file)
    {
        Assert.Equal("fLaC"u8.ToArray(), file[..4]);
        Assert.Equal((byte)0x80, file[4]);
        ulong info = BinaryPrimitives.ReadUInt64BigEndian(file.AsSpan(18));
        Assert.Equal((0u, 15u), ((uint)(info >> 41) & 7, (uint)(info >> 36) & 31));
        List<int> samples = [];
        Bits bits = new(file, 42);
        for (int frame = 0; bits.Position / 8 < file.Length; frame++)
        {
            int start = bits.Position / 8;
            Assert.Equal(0xFFF8u, bits.Read(16));
            Assert.Equal(0x70u, bits.Read(8));
            Assert.Equal(0x08u, bits.Read(8));
            Assert.Equal(frame, bits.ReadNumber());
            int count = (int)bits.Read(16) + 1;
            Assert.Equal(Crc(file.AsSpan(start, bits.Position / 8 - start), 8, 0x07), bits.Read(8));
            Assert.Equal(0u, bits.Read(1));
            int type = (int)bits.Read(6);
            Assert.InRange(type, 8, 12);
            Assert.Equal(0u, bits.Read(1));
            ReadSubframe(bits, type - 8, count, samples);
            bits.Align();
            Assert.Equal(Crc(file.AsSpan(start, bits.Position / 8 - start), 16, 0x8005), bits.Read(16));
        }

        return ((int)(info >> 44), samples);
    }

    private static void ReadSubframe(Bits bits, int order, int count, List<int> samples)
    {
        int first = samples.Count;
        for (int i = 0; i < order; i++)
            samples.Add((short)bits.Read(16));
        Assert.Equal(0u, bits.Read(6));
        int parameter = (int)bits.Read(4);
        Assert.NotEqual(15, parameter);
        int[][] predictors = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]];
        for (int i = order; i < count; i++)
        {
            uint quotient = 0;
            while (bits.Read(1) == 0)
                quotient++;
            uint folded = quotient << parameter | bits.Read(parameter);
            int value = (int)(folded >> 1) ^ -(int)(folded & 1);
            for (int k = 0; k < order; k++)
                value += predictors[order][k] * samples[first + i - 1 - k];
            samples.Add(value);
        }
    }

    private static uint Crc(ReadOnlySpan<byte> bytes, int width, uint polynomial)
    {
        uint sum = 0, top = 1u << (width - 1);
        foreach (byte value in bytes)
        {
            for (int bit = 7; bit >= 0; bit--)
            {
                bool flip = ((sum & top) != 0) != ((value >> bit & 1) != 0);
                sum = (sum << 1 ^ (flip ? polynomial : 0)) & (2 * top - 1);
            }
        }

        return sum;
    }

    private sealed class Bits(byte[] bytes, int start)
    {
        public int Position { get; private set; } = 8 * start;

        public uint Read(int count)
        {
            uint value = 0;
            for (int i = 0; i < count; i++, Position++)
                value = value << 1 | (uint)(bytes[Position >> 3] >> (7 - (Position & 7)) & 1);
            return value;
        }

        public int ReadNumber()
        {
            uint lead = Read(8);
            int followers = lead < 0x80 ? 0 : System.Numerics.BitOperations.LeadingZeroCount(~(lead << 24)) - 1;
            uint value = followers == 0 ? lead : lead & (0x3Fu >> followers);
            for (int i = 0; i < followers; i++)
                value = value << 6 | Read(8) & 0x3F;
            return (int)value;
        }

        public void Align() => Position = (Position + 7) / 8 * 8;
    }
}
