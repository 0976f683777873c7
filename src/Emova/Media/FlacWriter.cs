using System.Buffers.Binary;

namespace Emova.Media;

/// <summary>
/// Writes mono 16-bit audio as FLAC (RFC 9639) piece by piece: blocks of 4096 samples, the best of the five fixed predictors, and
/// Rice codes in one partition. Lossless; about half of the size of PCM for speech. The number of samples and the checksum of the
/// whole, which a stream cannot know at its beginning, are left open as the format allows.
/// </summary>
public sealed class FlacWriter : IDisposable
{
    /// <summary>Samples of every block but the last.</summary>
    public const int BlockLength = 4096;

    private const int Bits = 16;
    private const int MaxOrder = 4;
    private const int MaxRiceParameter = 14;

    private readonly Stream _stream;
    private readonly int[] _block = new int[BlockLength];
    private int _count;
    private int _frame;
    private bool _disposed;

    /// <summary>Writes the header.</summary>
    /// <param name="stream">Target; needs not be seekable and is left open.</param>
    /// <param name="sampleRate">Samples per second, 1 to 655350.</param>
    public FlacWriter(Stream stream, int sampleRate)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleRate, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sampleRate, 655350);
        _stream = stream;
        Span<byte> header = stackalloc byte[42];
        header.Clear();
        "fLaC"u8.CopyTo(header);
        header[4] = 0x80; // the only metadata block: stream info
        header[7] = 34;
        BinaryPrimitives.WriteUInt16BigEndian(header[8..], BlockLength);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], BlockLength);
        // 20 bits of sample rate, 3 of channels - 1, 5 of bits - 1, 36 of samples (0: unknown).
        BinaryPrimitives.WriteUInt64BigEndian(header[18..], (ulong)sampleRate << 44 | (ulong)(Bits - 1) << 36);
        stream.Write(header);
    }

    /// <summary>Appends samples (full scale = 1); those outside -1..1 are clipped.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (float sample in samples)
        {
            _block[_count++] = WavWriter.ToPcm16(sample);
            if (_count == BlockLength)
                WriteFrame();
        }
    }

    /// <summary>Writes what is left.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (_count > 0)
            WriteFrame();
        _stream.Flush();
    }

    private void WriteFrame()
    {
        BitWriter bits = new();
        bits.Write(0b11111111_11111000, 16); // sync code, fixed block size
        bits.Write(0b0111_0000, 8);          // block size in 16 bits after the number, rate as in the header
        bits.Write(0b0000_100_0, 8);         // mono, 16 bits
        WriteNumber(bits, _frame++);
        bits.Write((uint)_count - 1, 16);
        bits.Write(Checksum8(bits.Bytes), 8);
        WriteSubframe(bits, _block.AsSpan(0, _count));
        bits.Align();
        bits.Write(Checksum16(bits.Bytes), 16);
        _stream.Write(bits.Bytes);
        _count = 0;
    }

    /// <summary>The frame's number in the coding of UTF-8, extended to 31 bits.</summary>
    private static void WriteNumber(BitWriter bits, int number)
    {
        if (number < 0x80)
        {
            bits.Write((uint)number, 8);
            return;
        }

        int followers = 1;
        while (number >> (6 * followers + 6 - followers) != 0)
            followers++;
        bits.Write((uint)(0xFF00 >> (followers + 1) & 0xFF) | (uint)(number >> 6 * followers), 8);
        for (int i = followers - 1; i >= 0; i--)
            bits.Write(0x80u | (uint)(number >> 6 * i & 0x3F), 8);
    }

    private static void WriteSubframe(BitWriter bits, ReadOnlySpan<int> samples)
    {
        // Differences of rising order; the one with the smallest sum of magnitudes takes the fewest bits.
        int[] residual = samples.ToArray(), best = residual;
        int order = 0;
        long smallest = Magnitude(residual, 0);
        for (int next = 1; next <= Math.Min(MaxOrder, samples.Length - 1); next++)
        {
            residual = (int[])residual.Clone();
            for (int i = residual.Length - 1; i >= next; i--)
                residual[i] -= residual[i - 1];
            if (Magnitude(residual, next) is var sum && sum < smallest)
                (smallest, order, best) = (sum, next, residual);
        }

        bits.Write((uint)(0b001000 | order) << 1, 8);
        for (int i = 0; i < order; i++)
            bits.Write((uint)samples[i] & 0xFFFF, Bits);
        int parameter = BestParameter(best.AsSpan(order));
        bits.Write(0, 6); // Rice codes with 4-bit parameters, one partition
        bits.Write((uint)parameter, 4);
        foreach (int value in best.AsSpan(order))
        {
            uint folded = (uint)(value << 1 ^ value >> 31);
            for (uint quotient = folded >> parameter; quotient > 0; quotient--)
                bits.Write(0, 1);
            bits.Write(1, 1);
            bits.Write(folded & ((1u << parameter) - 1), parameter);
        }
    }

    private static long Magnitude(ReadOnlySpan<int> values, int from)
    {
        long sum = 0;
        foreach (int value in values[from..])
            sum += Math.Abs((long)value);
        return sum;
    }

    private static int BestParameter(ReadOnlySpan<int> values)
    {
        int best = 0;
        long fewest = long.MaxValue;
        for (int parameter = 0; parameter <= MaxRiceParameter; parameter++)
        {
            long size = (long)values.Length * (parameter + 1);
            foreach (int value in values)
                size += (uint)(value << 1 ^ value >> 31) >> parameter;
            if (size < fewest)
                (fewest, best) = (size, parameter);
        }

        return best;
    }

    private static uint Checksum8(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        foreach (byte value in bytes)
        {
            sum ^= value;
            for (int i = 0; i < 8; i++)
                sum = (sum << 1 ^ ((sum & 0x80) != 0 ? 0x07u : 0)) & 0xFF;
        }

        return sum;
    }

    private static uint Checksum16(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        foreach (byte value in bytes)
        {
            sum ^= (uint)value << 8;
            for (int i = 0; i < 8; i++)
                sum = (sum << 1 ^ ((sum & 0x8000) != 0 ? 0x8005u : 0)) & 0xFFFF;
        }

        return sum;
    }

    /// <summary>Bits, highest first.</summary>
    private sealed class BitWriter
    {
        private byte[] _bytes = new byte[4 * BlockLength];
        private int _bits;

        public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _bits / 8);

        public void Write(uint value, int count)
        {
            if (_bits / 8 + 8 >= _bytes.Length)
                Array.Resize(ref _bytes, 2 * _bytes.Length);
            for (int i = count - 1; i >= 0; i--, _bits++)
                _bytes[_bits >> 3] |= (byte)((value >> i & 1) << (7 - (_bits & 7)));
        }

        public void Align() => _bits = (_bits + 7) / 8 * 8;
    }
}
