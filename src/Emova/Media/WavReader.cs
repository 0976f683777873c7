using System.Buffers.Binary;
using System.Text;

namespace Emova.Media;

/// <summary>
/// Reads a WAV stream piece by piece with bounded memory: integer PCM of 8, 16, 24 and 32 bits, IEEE float of 32 and 64
/// bits, the extensible header, any number of channels (averaged to mono). Sizes of streaming writers (0xFFFFFFFF) mean
/// "until the end".
/// </summary>
public sealed class WavReader : IDisposable
{
    private const int MaximumChannels = 64;
    private const int MinimumRate = 1000;
    private const int MaximumRate = 384000;
    private const int BufferLength = 1 << 16;

    // Writers that cannot seek leave sizes at or just below these two values.
    private const uint UnknownSize = 0xFFFF0000;
    private const uint UnknownSignedSize = 0x7FFF0000;

    private const int PcmTag = 1;
    private const int FloatTag = 3;
    private const int ExtensibleTag = 0xFFFE;

    private readonly Stream stream;
    private readonly bool leaveOpen;
    private readonly byte[] buffer;
    private readonly int blockAlign;
    private readonly bool isFloat;
    private long remainingBytes; // of the data chunk; long.MaxValue when unknown

    /// <summary>Reads the header.</summary>
    /// <param name="stream">Where the RIFF header starts; needs not be seekable.</param>
    /// <param name="name">Name used in messages.</param>
    /// <param name="leaveOpen">Whether disposing the reader leaves the stream open.</param>
    /// <exception cref="EmovaException">The data are no usable WAV file.</exception>
    public WavReader(Stream stream, string name, bool leaveOpen = false)
    {
        this.stream = stream;
        this.leaveOpen = leaveOpen;
        Name = name;

        Span<byte> riff = stackalloc byte[12];
        int read = ReadFully(riff);
        if (read == 0) throw Error("the file is empty");
        if (read < 12 || !Is(riff, "RIFF") || !Is(riff[8..], "WAVE")) throw Error($"not a WAV file: {Describe(riff[..read])}");

        bool haveFormat = false;
        Span<byte> chunk = stackalloc byte[8];
        while (true)
        {
            if (ReadFully(chunk) < 8) throw Error(haveFormat ? "the WAV file has no data chunk" : "the WAV file has no fmt chunk");
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (Is(chunk, "fmt "))
            {
                (SampleRate, Channels, BitsPerSample, isFloat, blockAlign) = ReadFormat(size);
                haveFormat = true;
            }
            else if (Is(chunk, "data"))
            {
                if (!haveFormat) throw Error("the WAV file has its data before its fmt chunk");
                remainingBytes = DataLength(size);
                break;
            }
            else
            {
                Skip(size + (size & 1));
            }
        }

        if (remainingBytes != long.MaxValue)
        {
            if (remainingBytes % blockAlign != 0)
                throw Error($"truncated or mislabeled: {remainingBytes} data bytes are no multiple of the {blockAlign} bytes of a frame");
            FrameCount = remainingBytes / blockAlign;
        }

        buffer = new byte[Math.Max(BufferLength / blockAlign, 1) * blockAlign];
    }

    /// <summary>Name used in messages.</summary>
    public string Name { get; }

    /// <summary>Samples per second and channel.</summary>
    public int SampleRate { get; }

    /// <summary>Channels in the file; <see cref="Read"/> averages them.</summary>
    public int Channels { get; }

    /// <summary>Bits of a stored sample.</summary>
    public int BitsPerSample { get; }

    /// <summary>Samples per channel, or null when the header does not tell.</summary>
    public long? FrameCount { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="EmovaException">The file is missing, unreadable or no usable WAV file.</exception>
    public static WavReader Open(string path)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            return new WavReader(file, path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            file?.Dispose();
            throw new EmovaException($"{path}: cannot be read: {exception.Message}", exception);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>Reads the next mono samples (mean of the channels, full scale = 1).</summary>
    /// <param name="samples">Filled from the start.</param>
    /// <returns>Number of samples read; 0 only at the end (or for an empty span).</returns>
    /// <exception cref="EmovaException">The file ends early or contains values that are not finite.</exception>
    public int Read(Span<float> samples)
    {
        int done = 0;
        while (done < samples.Length && remainingBytes > 0)
        {
            int wanted = (int)Math.Min(Math.Min((long)(samples.Length - done) * blockAlign, buffer.Length), remainingBytes);
            int buffered = ReadFully(buffer.AsSpan(0, wanted));
            if (buffered < wanted)
            {
                if (remainingBytes != long.MaxValue) throw Error($"truncated: {remainingBytes - buffered} bytes of audio data are missing");
                remainingBytes = 0;
            }
            else if (remainingBytes != long.MaxValue)
            {
                remainingBytes -= buffered;
            }

            int frames = buffered / blockAlign;
            Decode(buffer.AsSpan(0, frames * blockAlign), samples.Slice(done, frames));
            done += frames;
        }

        return done;
    }

    /// <summary>Closes the stream unless it is to be left open.</summary>
    public void Dispose()
    {
        if (!leaveOpen) stream.Dispose();
    }

    private (int Rate, int Channels, int Bits, bool IsFloat, int BlockAlign) ReadFormat(uint size)
    {
        if (size < 16 || size > 4096) throw Error($"the fmt chunk has {size} bytes, expected 16 to 4096");
        Span<byte> format = stackalloc byte[(int)(size + (size & 1))];
        if (ReadFully(format) < (int)size) throw Error("truncated inside the fmt chunk");
        int tag = BinaryPrimitives.ReadUInt16LittleEndian(format);
        int channels = BinaryPrimitives.ReadUInt16LittleEndian(format[2..]);
        uint rate = BinaryPrimitives.ReadUInt32LittleEndian(format[4..]);
        int align = BinaryPrimitives.ReadUInt16LittleEndian(format[12..]);
        int bits = BinaryPrimitives.ReadUInt16LittleEndian(format[14..]);
        if (tag == ExtensibleTag)
        {
            if (size < 40) throw Error($"the extensible fmt chunk has {size} bytes, expected 40");
            tag = BinaryPrimitives.ReadUInt16LittleEndian(format[24..]);
        }

        if (tag is not (PcmTag or FloatTag)) throw Error($"encoding {DescribeTag(tag)} is not supported; convert the file to PCM or IEEE float");
        if (channels is < 1 or > MaximumChannels) throw Error($"{channels} channels, allowed are 1 to {MaximumChannels}");
        if (rate is < MinimumRate or > MaximumRate) throw Error($"sample rate {rate} Hz, allowed are {MinimumRate} to {MaximumRate}");
        bool known = tag == FloatTag ? bits is 32 or 64 : bits is 8 or 16 or 24 or 32;
        if (!known) throw Error($"{bits} bits per {(tag == FloatTag ? "float" : "integer")} sample; allowed are {(tag == FloatTag ? "32 and 64" : "8, 16, 24 and 32")}");
        if (align != channels * bits / 8) throw Error($"mislabeled: a frame of {channels} x {bits} bits cannot have {align} bytes");
        return ((int)rate, channels, bits, tag == FloatTag, align);
    }

    private long DataLength(uint size)
    {
        bool unknown = size is >= UnknownSize or (>= UnknownSignedSize and <= int.MaxValue);
        if (!stream.CanSeek) return unknown ? long.MaxValue : size;
        long available = stream.Length - stream.Position;
        if (unknown && available < size) return available / blockAlign * blockAlign;
        if (available < size) throw Error($"truncated: the header promises {size} bytes of audio data, {available} are there");
        return size;
    }

    private void Decode(ReadOnlySpan<byte> bytes, Span<float> samples)
    {
        int sampleBytes = BitsPerSample / 8;
        float scale = 1f / Channels;
        for (int frame = 0, at = 0; frame < samples.Length; frame++)
        {
            float sum = 0;
            for (int channel = 0; channel < Channels; channel++, at += sampleBytes)
            {
                ReadOnlySpan<byte> value = bytes.Slice(at, sampleBytes);
                sum += (BitsPerSample, isFloat) switch
                {
                    (8, _) => (value[0] - 128) / 128f,
                    (16, _) => BinaryPrimitives.ReadInt16LittleEndian(value) / 32768f,
                    (24, _) => ((value[2] << 24 | value[1] << 16 | value[0] << 8) >> 8) / 8388608f,
                    (32, false) => BinaryPrimitives.ReadInt32LittleEndian(value) / 2147483648f,
                    (32, true) => BinaryPrimitives.ReadSingleLittleEndian(value),
                    _ => (float)BinaryPrimitives.ReadDoubleLittleEndian(value),
                };
            }

            if (!float.IsFinite(sum)) throw Error("the audio data contain values that are not finite");
            samples[frame] = Channels == 1 ? sum : sum * scale;
        }
    }

    private int ReadFully(Span<byte> target)
    {
        try
        {
            return stream.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
        }
        catch (IOException exception)
        {
            throw new EmovaException($"{Name}: cannot be read: {exception.Message}", exception);
        }
    }

    private void Skip(long bytes)
    {
        if (stream.CanSeek)
        {
            stream.Position = Math.Min(stream.Position + bytes, stream.Length);
            return;
        }

        Span<byte> sink = stackalloc byte[1024];
        while (bytes > 0)
        {
            int read = ReadFully(sink[..(int)Math.Min(sink.Length, bytes)]);
            if (read == 0) return; // the missing chunk is reported by the caller
            bytes -= read;
        }
    }

    private EmovaException Error(string reason) => new($"{Name}: {reason}");

    private static bool Is(ReadOnlySpan<byte> bytes, string fourCharacters) => bytes[..4].SequenceEqual(Encoding.ASCII.GetBytes(fourCharacters));

    // Compressed audio under a .wav name is the usual mistake; say what it is.
    private static string Describe(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("OggS"u8)) return "it is an Ogg file";
        if (start.StartsWith("fLaC"u8)) return "it is a FLAC file";
        if (start.StartsWith("ID3"u8) || (start.Length >= 2 && start[0] == 0xFF && (start[1] & 0xE0) == 0xE0)) return "it is an MP3 file";
        if (start.StartsWith("RF64"u8) || start.StartsWith("RIFX"u8) || start.StartsWith("FORM"u8)) return "RF64, RIFX and AIFF files are not supported";
        if (start.Length >= 8 && start[4..].StartsWith("ftyp"u8)) return "it is an MP4 file";
        return "it does not start with RIFF ... WAVE";
    }

    private static string DescribeTag(int tag) => tag switch
    {
        2 => "2 (ADPCM)",
        6 => "6 (A-law)",
        7 => "7 (mu-law)",
        17 => "17 (IMA ADPCM)",
        85 => "85 (MP3)",
        _ => $"{tag}",
    };
}
