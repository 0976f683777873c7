using System.Buffers.Binary;

namespace Emova.Media;

/// <summary>
/// Decodes FLAC (RFC 9639): all block sizes, 4 to 24 bits, one to eight channels with any stereo decorrelation, all predictors. Checksums of
/// every frame and the bounds of every field are verified; channels are averaged.
/// </summary>
internal static class FlacReader
{
    private const int StreamInfoLength = 34;
    private const int LongestResidualPrefix = 1 << 25;

    /// <summary>A few bytes can stand for a long silence: whatever the file says, no more than this is decoded (0.5 GiB).</summary>
    private const long MostSamples = 1 << 27;

    /// <summary>Whether data begins as a FLAC file does.</summary>
    public static bool IsFlac(ReadOnlySpan<byte> start) => start.StartsWith("fLaC"u8);

    /// <summary>Decodes a whole file.</summary>
    /// <param name="data">Content of the file.</param>
    /// <param name="name">Name used in messages.</param>
    /// <param name="maximumDuration">Longest recording accepted.</param>
    /// <exception cref="EmovaException">The data is damaged, empty, too long, or uses more than 24 bits.</exception>
    public static AudioClip Read(ReadOnlySpan<byte> data, string name, TimeSpan maximumDuration)
    {
        try
        {
            return Decode(data, name, maximumDuration);
        }
        catch (FormatException e)
        {
            throw new EmovaException($"{name}: damaged FLAC file: {e.Message}", e);
        }
    }

    private static AudioClip Decode(ReadOnlySpan<byte> data, string name, TimeSpan maximumDuration)
    {
        StreamInfo info = ReadHeader(ref data);
        long limit = (long)Math.Min(maximumDuration.TotalSeconds * info.SampleRate, MostSamples);
        if (info.TotalSamples > limit)
            throw TooLong();

        // The header is not to be trusted with the size of the first allocation: speech takes about a byte per sample.
        List<float> samples = new((int)Math.Min(info.TotalSamples, 8L * data.Length));
        int[][] channels = [.. Enumerable.Range(0, info.Channels).Select(_ => new int[info.MaximumBlock])];
        float scale = 1f / ((float)(1L << (info.Bits - 1)) * info.Channels);
        while (data.Length > 0)
        {
            // Some encoders append tags; everything after the announced samples is none of ours.
            if (info.TotalSamples > 0 && samples.Count >= info.TotalSamples)
                break;
            BitReader bits = new(data);
            int count = ReadFrame(ref bits, info, channels);
            data = data[bits.Position..];
            if (samples.Count + count > limit)
                throw TooLong();
            for (int i = 0; i < count; i++)
            {
                long sum = 0;
                foreach (int[] channel in channels)
                    sum += channel[i];
                samples.Add(sum * scale);
            }
        }

        if (samples.Count == 0)
            throw new EmovaException($"{name}: the FLAC file contains no samples");
        if (info.TotalSamples > 0 && samples.Count != info.TotalSamples)
            throw new FormatException($"it holds {samples.Count} samples, its header says {info.TotalSamples}");
        return new AudioClip([.. samples], info.SampleRate);

        EmovaException TooLong() => new($"{name}: the recording is longer than the limit of {maximumDuration.TotalSeconds:0.#} s");
    }

    /// <summary>Reads the metadata blocks; only the first one matters.</summary>
    private static StreamInfo ReadHeader(ref ReadOnlySpan<byte> data)
    {
        data = data[4..]; // "fLaC"
        StreamInfo? info = null;
        for (bool last = false; !last;)
        {
            if (data.Length < 4)
                throw new FormatException("its header is cut off");
            last = (data[0] & 0x80) != 0;
            int type = data[0] & 0x7F, length = BinaryPrimitives.ReadInt32BigEndian(data) & 0xFFFFFF;
            if (data.Length < 4 + length)
                throw new FormatException("its header is cut off");
            if (info is null)
            {
                if (type != 0 || length < StreamInfoLength)
                    throw new FormatException("its first block does not describe the stream");
                info = StreamInfo.Read(data.Slice(4, length));
            }

            data = data[(4 + length)..];
        }

        return info!;
    }

    /// <summary>Decodes one frame into <paramref name="channels"/> and returns the samples per channel.</summary>
    private static int ReadFrame(ref BitReader bits, StreamInfo info, int[][] channels)
    {
        if (bits.Read(15) != 0b111_1111_1111_1100)
            throw new FormatException("no frame where one should begin");
        bits.Read(1); // fixed or variable block size: the numbering below is not needed
        int sizeCode = (int)bits.Read(4), rateCode = (int)bits.Read(4), assignment = (int)bits.Read(4), depthCode = (int)bits.Read(3);
        bits.Read(1);
        int followers = System.Numerics.BitOperations.LeadingZeroCount(~(bits.Read(8) << 24));
        for (int i = 1; i < followers; i++)
            bits.Read(8);
        int count = sizeCode switch
        {
            0 => throw new FormatException("reserved block size"),
            1 => 192,
            <= 5 => 576 << (sizeCode - 2),
            6 => (int)bits.Read(8) + 1,
            7 => (int)bits.Read(16) + 1,
            _ => 256 << (sizeCode - 8),
        };
        bits.Read(rateCode switch { 12 => 8, 13 or 14 => 16, 15 => throw new FormatException("reserved sample rate"), _ => 0 });
        int depth = depthCode switch { 0 => info.Bits, 1 => 8, 2 => 12, 4 => 16, 5 => 20, 6 => 24, _ => throw new FormatException("reserved sample size") };
        int number = assignment switch { < 8 => assignment + 1, < 11 => 2, _ => throw new FormatException("reserved channel assignment") };
        if (depth != info.Bits || number != info.Channels || count > info.MaximumBlock)
            throw new FormatException("a frame does not fit the description of the stream");
        if (bits.Read(8) != Checksum8(bits.Before(1)))
            throw new FormatException("the checksum of a frame's header is wrong");

        for (int channel = 0; channel < number; channel++)
        {
            // A difference channel needs one bit more.
            bool side = (assignment is 8 or 10 && channel == 1) || (assignment == 9 && channel == 0);
            ReadSubframe(ref bits, channels[channel].AsSpan(0, count), depth + (side ? 1 : 0));
        }

        if (assignment >= 8)
            Decorrelate(assignment, channels[0].AsSpan(0, count), channels[1].AsSpan(0, count));
        bits.Align();
        if (bits.Read(16) != Checksum16(bits.Before(2)))
            throw new FormatException("the checksum of a frame is wrong");
        return count;
    }

    private static void Decorrelate(int assignment, Span<int> first, Span<int> second)
    {
        for (int i = 0; i < first.Length; i++)
        {
            switch (assignment)
            {
                case 8: // left, side
                    second[i] = first[i] - second[i];
                    break;
                case 9: // side, right
                    first[i] += second[i];
                    break;
                default: // middle, side
                    int side = second[i], middle = (first[i] << 1) | (side & 1);
                    (first[i], second[i]) = ((middle + side) >> 1, (middle - side) >> 1);
                    break;
            }
        }
    }

    private static void ReadSubframe(ref BitReader bits, Span<int> samples, int depth)
    {
        if (bits.Read(1) != 0)
            throw new FormatException("a padding bit is set");
        int type = (int)bits.Read(6), wasted = 0;
        if (bits.Read(1) == 1)
        {
            wasted = bits.Unary(depth) + 1;
            depth -= wasted;
            if (depth < 1)
                throw new FormatException("a channel without any bits");
        }

        switch (type)
        {
            case 0:
                samples.Fill(bits.Signed(depth));
                break;
            case 1:
                for (int i = 0; i < samples.Length; i++)
                    samples[i] = bits.Signed(depth);
                break;
            case >= 8 and <= 12:
                ReadPredicted(ref bits, samples, depth, type - 8, linear: false);
                break;
            case >= 32:
                ReadPredicted(ref bits, samples, depth, type - 31, linear: true);
                break;
            default:
                throw new FormatException("reserved kind of channel data");
        }

        if (wasted > 0)
        {
            for (int i = 0; i < samples.Length; i++)
                samples[i] <<= wasted;
        }
    }

    private static void ReadPredicted(ref BitReader bits, Span<int> samples, int depth, int order, bool linear)
    {
        if (order > samples.Length)
            throw new FormatException("a predictor longer than its block");
        for (int i = 0; i < order; i++)
            samples[i] = bits.Signed(depth);
        Span<int> coefficients = stackalloc int[32];
        int shift = 0;
        if (linear)
        {
            int precision = (int)bits.Read(4) + 1;
            shift = bits.Signed(5);
            if (precision == 16 || shift < 0)
                throw new FormatException("unusable predictor");
            for (int i = 0; i < order; i++)
                coefficients[i] = bits.Signed(precision);
        }
        else
        {
            ReadOnlySpan<int> binomials = order switch { 0 => [], 1 => [1], 2 => [2, -1], 3 => [3, -3, 1], _ => [4, -6, 4, -1] };
            binomials.CopyTo(coefficients);
        }

        ReadResiduals(ref bits, samples, order);
        for (int i = order; i < samples.Length; i++)
        {
            long prediction = 0;
            for (int k = 0; k < order; k++)
                prediction += (long)coefficients[k] * samples[i - 1 - k];
            samples[i] = unchecked(samples[i] + (int)(prediction >> shift));
        }
    }

    private static void ReadResiduals(ref BitReader bits, Span<int> samples, int order)
    {
        int method = (int)bits.Read(2), partitionOrder = (int)bits.Read(4);
        if (method > 1)
            throw new FormatException("reserved coding of residuals");
        int parameterBits = method == 0 ? 4 : 5, escape = (1 << parameterBits) - 1, length = samples.Length >> partitionOrder;
        if (length << partitionOrder != samples.Length || length < order)
            throw new FormatException("partitions that do not fit their block");
        int position = order;
        for (int partition = 0; partition < 1 << partitionOrder; partition++)
        {
            int end = (partition + 1) * length, parameter = (int)bits.Read(parameterBits);
            int raw = parameter == escape ? (int)bits.Read(5) : -1;
            for (; position < end; position++)
            {
                if (raw >= 0)
                {
                    samples[position] = bits.Signed(raw);
                    continue;
                }

                uint folded = unchecked(((uint)bits.Unary(LongestResidualPrefix) << parameter) | bits.Read(parameter));
                samples[position] = (int)(folded >> 1) ^ -(int)(folded & 1);
            }
        }
    }

    private static uint Checksum8(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        foreach (byte value in bytes)
            sum = Table8[(int)(sum ^ value)];
        return sum;
    }

    private static uint Checksum16(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        foreach (byte value in bytes)
            sum = (sum << 8 ^ Table16[(int)(sum >> 8 ^ value)]) & 0xFFFF;
        return sum;
    }

    private static readonly uint[] Table8 = Table(0x07, 8), Table16 = Table(0x8005, 16);

    /// <summary>What the checksum of every byte value is, for a polynomial of the given width.</summary>
    private static uint[] Table(uint polynomial, int width)
    {
        uint[] table = new uint[256];
        for (uint value = 0; value < 256; value++)
        {
            uint sum = value << (width - 8);
            for (int i = 0; i < 8; i++)
                sum = sum << 1 ^ ((sum >> (width - 1) & 1) != 0 ? polynomial : 0);
            table[value] = sum & ((1u << width) - 1);
        }

        return table;
    }

    /// <summary>The description of a stream.</summary>
    private sealed record StreamInfo(int MaximumBlock, int SampleRate, int Channels, int Bits, long TotalSamples)
    {
        public static StreamInfo Read(ReadOnlySpan<byte> block)
        {
            ulong packed = BinaryPrimitives.ReadUInt64BigEndian(block[10..]);
            StreamInfo info = new(
                BinaryPrimitives.ReadUInt16BigEndian(block[2..]), (int)(packed >> 44), ((int)(packed >> 41) & 7) + 1, ((int)(packed >> 36) & 31) + 1,
                (long)(packed & 0xF_FFFF_FFFF));
            if (info.SampleRate < 1 || info.MaximumBlock < 16)
                throw new FormatException("its sample rate or block size is impossible");
            return info.Bits is >= 4 and <= 24 ? info : throw new FormatException($"samples of {info.Bits} bits, supported are 4 to 24");
        }
    }

    /// <summary>Bits, highest first.</summary>
    private ref struct BitReader(ReadOnlySpan<byte> data)
    {
        private readonly ReadOnlySpan<byte> _data = data;
        private ulong _window; // the next bits, left-aligned
        private int _held;     // how many of them are valid
        private int _next;     // the first byte that is not in the window

        /// <summary>Bytes consumed; meaningful when aligned.</summary>
        public readonly int Position => _next - (_held >> 3);

        /// <summary>Everything read so far without the last bytes.</summary>
        public readonly ReadOnlySpan<byte> Before(int bytes) => _data[..(Position - bytes)];

        public uint Read(int count)
        {
            if (count == 0)
                return 0;
            if (_held < count)
                Fill(count);
            uint value = (uint)(_window >> (64 - count));
            _window <<= count;
            _held -= count;
            return value;
        }

        /// <summary>A number in two's complement.</summary>
        public int Signed(int count) => count == 0 ? 0 : (int)(Read(count) << (32 - count)) >> (32 - count);

        /// <summary>The number of zeros before the next one.</summary>
        public int Unary(int limit)
        {
            int zeros = 0;
            while (true)
            {
                if (_held == 0)
                    Fill(1);
                int run = Math.Min(System.Numerics.BitOperations.LeadingZeroCount(_window), _held);
                zeros += run;
                if (zeros > limit)
                    throw new FormatException("an endless code");
                if (run < _held)
                {
                    _window = _window << run << 1;
                    _held -= run + 1;
                    return zeros;
                }

                (_window, _held) = (0, 0);
            }
        }

        public void Align() => Read(_held & 7);

        private void Fill(int wanted)
        {
            while (_held <= 56 && _next < _data.Length)
            {
                _window |= (ulong)_data[_next++] << (56 - _held);
                _held += 8;
            }

            if (_held < wanted)
                throw new FormatException("it ends inside a frame");
        }
    }
}
