using System.Buffers.Binary;

namespace Emova.Media;

/// <summary>
/// Writes a mono WAV stream piece by piece. On a seekable stream the sizes in the header are corrected when the writer is
/// disposed; otherwise they stay at 0xFFFFFFFF, which players of live streams understand as "until the end".
/// </summary>
public sealed class WavWriter : IDisposable
{
    private const int HeaderLength = 58;
    private const int RiffSizeOffset = 4;
    private const int FactOffset = 46;
    private const int DataSizeOffset = 54;

    private readonly Stream stream;
    private readonly bool leaveOpen;
    private readonly WavEncoding encoding;
    private readonly long start;
    private readonly byte[] buffer = new byte[16384];
    private long frames;
    private bool disposed;

    /// <summary>Writes the header.</summary>
    /// <param name="stream">Target; needs not be seekable.</param>
    /// <param name="sampleRate">Samples per second, 1000 to 384000.</param>
    /// <param name="encoding">How samples are stored.</param>
    /// <param name="leaveOpen">Whether disposing the writer leaves the stream open.</param>
    public WavWriter(Stream stream, int sampleRate, WavEncoding encoding = WavEncoding.Pcm16, bool leaveOpen = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sampleRate, 1000);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sampleRate, 384000);
        this.stream = stream;
        this.encoding = encoding;
        this.leaveOpen = leaveOpen;
        start = stream.CanSeek ? stream.Position : 0;

        int sampleBytes = SampleBytes;
        Span<byte> header = stackalloc byte[HeaderLength];
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[RiffSizeOffset..], uint.MaxValue);
        "WAVEfmt "u8.CopyTo(header[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], 18);
        BinaryPrimitives.WriteInt16LittleEndian(header[20..], (short)(encoding == WavEncoding.IeeeFloat ? 3 : 1));
        BinaryPrimitives.WriteInt16LittleEndian(header[22..], 1);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], sampleRate);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], sampleRate * sampleBytes);
        BinaryPrimitives.WriteInt16LittleEndian(header[32..], (short)sampleBytes);
        BinaryPrimitives.WriteInt16LittleEndian(header[34..], (short)(8 * sampleBytes));
        BinaryPrimitives.WriteInt16LittleEndian(header[36..], 0);
        "fact"u8.CopyTo(header[38..]);
        BinaryPrimitives.WriteInt32LittleEndian(header[42..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[FactOffset..], uint.MaxValue);
        "data"u8.CopyTo(header[50..]);
        BinaryPrimitives.WriteUInt32LittleEndian(header[DataSizeOffset..], uint.MaxValue);
        stream.Write(header);
    }

    private int SampleBytes => encoding == WavEncoding.IeeeFloat ? 4 : 2;

    /// <summary>Appends samples (full scale = 1).</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        int perBlock = buffer.Length / SampleBytes;
        while (!samples.IsEmpty)
        {
            ReadOnlySpan<float> block = samples[..Math.Min(perBlock, samples.Length)];
            for (int i = 0; i < block.Length; i++)
            {
                if (encoding == WavEncoding.IeeeFloat)
                    BinaryPrimitives.WriteSingleLittleEndian(buffer.AsSpan(4 * i), block[i]);
                else
                    BinaryPrimitives.WriteInt16LittleEndian(buffer.AsSpan(2 * i), ToPcm16(block[i]));
            }

            stream.Write(buffer, 0, block.Length * SampleBytes);
            frames += block.Length;
            samples = samples[block.Length..];
        }
    }

    /// <summary>Corrects the header where the stream allows it and closes the stream unless it is to be left open.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        try
        {
            long dataBytes = frames * SampleBytes;
            if (stream.CanSeek && dataBytes <= uint.MaxValue - HeaderLength)
            {
                long end = stream.Position;
                Patch(RiffSizeOffset, (uint)(HeaderLength - 8 + dataBytes));
                Patch(FactOffset, (uint)frames);
                Patch(DataSizeOffset, (uint)dataBytes);
                stream.Position = end;
            }

            stream.Flush();
        }
        finally
        {
            if (!leaveOpen) stream.Dispose();
        }
    }

    /// <summary>The nearest 16-bit value; -1..1 maps to -32768..32768 with the ends clipped.</summary>
    internal static short ToPcm16(float sample) => (short)Math.Clamp(MathF.Round(sample * 32768f), short.MinValue, short.MaxValue);

    private void Patch(int offset, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Position = start + offset;
        stream.Write(bytes);
    }
}
