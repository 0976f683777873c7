using System.Buffers.Binary;
using CsCheck;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public sealed class WavFileTests
{
    [Fact]
    public void WrittenFilesReadBackWithinTheirPrecision() =>
        Gen.Select(Gen.Float[-1, 0.999f].Array[1, 3000], Gen.Int[1000, 96000], Gen.Bool).Sample((samples, rate, isFloat) =>
        {
            using MemoryStream stream = new();
            using (WavWriter writer = new(stream, rate, isFloat ? WavEncoding.IeeeFloat : WavEncoding.Pcm16, leaveOpen: true)) writer.Write(samples);
            stream.Position = 0;
            AudioClip clip = WavFile.Read(stream, "memory");
            Assert.Equal(rate, clip.SampleRate);
            Closeness.Assert("samples", samples, clip.Samples, isFloat ? 0 : 0.5 / 32768 + 1e-9);
        }, iter: 200);

    [Fact]
    public void PiecesAndWholeWriteTheSameBytesAndAnUnseekableTargetStaysReadable()
    {
        float[] samples = [.. Enumerable.Range(0, 20000).Select(i => MathF.Sin(i * 0.01f))];
        using MemoryStream whole = new(), pieces = new(), pipe = new();
        using (WavWriter writer = new(whole, 16000, leaveOpen: true)) writer.Write(samples);
        using (WavWriter writer = new(pieces, 16000, leaveOpen: true))
        {
            for (int i = 0; i < samples.Length; i += 777) writer.Write(samples.AsSpan(i, Math.Min(777, samples.Length - i)));
        }

        Assert.Equal(whole.ToArray(), pieces.ToArray());
        using (WavWriter writer = new(new Pipe(pipe), 16000)) writer.Write(samples);
        byte[] streamed = pipe.ToArray();
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(streamed.AsSpan(54)));
        whole.Position = 0;
        Assert.Equal(WavFile.Read(whole, "whole").Samples, WavFile.Read(new Pipe(new MemoryStream(streamed)), "pipe").Samples);
    }

    [Theory]
    [InlineData(1, 8, 2, 1 / 128.0)]
    [InlineData(1, 16, 1, 1 / 32768.0)]
    [InlineData(1, 24, 3, 5e-7)]
    [InlineData(1, 32, 6, 5e-7)]
    [InlineData(3, 32, 2, 1e-7)]
    [InlineData(3, 64, 5, 5e-7)]
    public void EveryEncodingIsReadWithAndWithoutTheExtensibleHeader(int tag, int bits, int channels, double tolerance)
    {
        Random random = new(bits);
        const int frames = 9000; // more than one buffer
        double[] values = [.. Enumerable.Range(0, frames * channels).Select(_ => random.NextDouble() * 1.98 - 0.99)];
        foreach (bool extensible in (bool[])[false, true])
        {
            byte[] file = Build(tag, bits, channels, 22050, Encode(values, tag, bits), extensible);
            AudioClip clip = WavFile.Read(new MemoryStream(file), "memory");
            Assert.Equal(22050, clip.SampleRate);
            Assert.Equal(frames, clip.Samples.Length);
            for (int t = 0; t < frames; t++) Assert.Equal(values.AsSpan(t * channels, channels).ToArray().Average(), clip.Samples[t], tolerance);
        }
    }

    [Fact]
    public void ReadingInPiecesGivesTheWholeFile()
    {
        using TemporaryFolder folder = new();
        float[] samples = [.. Enumerable.Range(0, 40000).Select(i => i % 1000 / 1000f)];
        WavFile.Write(folder["a.wav"], samples, 8000, WavEncoding.IeeeFloat);
        using WavReader reader = WavReader.Open(folder["a.wav"]);
        Assert.Equal((8000, 1, 32, 40000L), (reader.SampleRate, reader.Channels, reader.BitsPerSample, reader.FrameCount!.Value));
        List<float> read = [];
        float[] block = new float[333];
        for (int count; (count = reader.Read(block)) > 0;) read.AddRange(block[..count]);
        Assert.Equal(samples, read);
    }

    [Fact]
    public void OddChunksBeforeTheDataAreSkipped()
    {
        byte[] plain = Build(1, 16, 1, 8000, [0, 64, 0, 192], extensible: false);
        byte[] withList = [.. plain[..12], .. "LIST"u8, 3, 0, 0, 0, 1, 2, 3, 0, .. plain[12..]];
        Assert.Equal([0.5f, -0.5f], WavFile.Read(new MemoryStream(withList), "memory").Samples);
        Assert.Equal([0.5f, -0.5f], WavFile.Read(new Pipe(new MemoryStream(withList)), "pipe").Samples);
    }

    [Fact]
    public void UnusableFilesAreRefusedWithTheirNameAndTheReason()
    {
        byte[] good = Build(1, 16, 1, 16000, new byte[200], extensible: false);
        Refused([], "empty");
        Refused([1, 2, 3], "not a WAV file");
        Refused([.. "OggS"u8, .. good[4..]], "Ogg");
        Refused([.. "ID3"u8, .. good], "MP3");
        Refused([.. "fLaC"u8, .. good], "FLAC");
        Refused(good[..^1], "truncated: the header promises 200 bytes of audio data, 199 are there");
        Refused(good[..30], "fmt chunk");
        Refused(good[..36], "no data chunk");
        Refused(Build(1, 16, 1, 16000, [], extensible: false), "no samples");
        Refused(Build(1, 16, 1, 16000, new byte[3], extensible: false), "mislabeled");
        Refused(Build(7, 8, 1, 8000, new byte[8], extensible: false), "mu-law");
        Refused(Build(1, 12, 1, 8000, new byte[8], extensible: false), "12 bits");
        Refused(Build(1, 16, 0, 8000, new byte[8], extensible: false), "0 channels");
        Refused(Build(1, 16, 1, 10, new byte[8], extensible: false), "sample rate 10 Hz, allowed are");
        Refused(Build(3, 32, 1, 8000, BitConverter.GetBytes(float.NaN), extensible: false), "not finite");
        byte[] wrongAlign = [.. good];
        wrongAlign[32] = 4;
        Refused(wrongAlign, "mislabeled");

        static void Refused(byte[] file, string reason)
        {
            EmovaException error = Assert.Throws<EmovaException>(() => WavFile.Read(new MemoryStream(file), "bad.wav"));
            Assert.StartsWith("bad.wav: ", error.Message, StringComparison.Ordinal);
            Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AStreamThatEndsEarlyIsNoticedEvenWithoutSeeking()
    {
        byte[] file = Build(1, 16, 1, 16000, new byte[2000], extensible: false)[..^500];
        EmovaException error = Assert.Throws<EmovaException>(() => WavFile.Read(new Pipe(new MemoryStream(file)), "pipe"));
        Assert.Contains("500 bytes of audio data are missing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RecordingsAboveTheLimitAreRefusedBeforeTheyAreLoaded()
    {
        // Ten hours by its header; the sparse file costs nothing on disk.
        using TemporaryFolder folder = new();
        const int rate = 12000, bytes = 10 * 3600 * rate * 2;
        byte[] header = Build(1, 8, 2, rate, [], extensible: false);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(header.Length - 4), bytes);
        using (FileStream file = File.Create(folder["long.wav"]))
        {
            file.Write(header);
            file.SetLength(header.Length + (long)bytes);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        EmovaException error = Assert.Throws<EmovaException>(() => WavFile.Read(folder["long.wav"]));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        Assert.Contains("long.wav: the recording lasts 36000 s, longer than the limit of 600 s", error.Message, StringComparison.Ordinal);

        // Without a length in the header the limit still holds.
        byte[] endless = Build(1, 16, 1, 1000, new byte[6000], extensible: false);
        BinaryPrimitives.WriteUInt32LittleEndian(endless.AsSpan(endless.Length - 6004), uint.MaxValue);
        Assert.Throws<EmovaException>(() => WavFile.Read(new Pipe(new MemoryStream(endless)), "pipe", TimeSpan.FromSeconds(2)));
        Assert.Equal(3000, WavFile.Read(new Pipe(new MemoryStream(endless)), "pipe", TimeSpan.FromSeconds(3)).Samples.Length);
    }

    [Fact]
    public void MissingFilesAreAOneLineError()
    {
        EmovaException error = Assert.Throws<EmovaException>(() => WavFile.Read("no/such/file.wav"));
        Assert.StartsWith("no/such/file.wav: cannot be read", error.Message, StringComparison.Ordinal);
    }

    private static byte[] Encode(double[] values, int tag, int bits)
    {
        List<byte> data = [];
        foreach (double value in values)
        {
            byte[] bytes = (tag, bits) switch
            {
                (1, 8) => [(byte)(Math.Round(value * 128) + 128)],
                (1, 16) => BitConverter.GetBytes((short)Math.Round(value * 32768)),
                (1, 24) => BitConverter.GetBytes((int)Math.Round(value * 8388608))[..3],
                (1, 32) => BitConverter.GetBytes((int)Math.Round(value * 2147483648)),
                (3, 32) => BitConverter.GetBytes((float)value),
                _ => BitConverter.GetBytes(value),
            };
            data.AddRange(bytes);
        }

        return [.. data];
    }

    private static byte[] Build(int tag, int bits, int channels, int rate, byte[] data, bool extensible)
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        int align = channels * bits / 8;
        writer.Write("RIFF"u8);
        writer.Write((extensible ? 60 : 36) + data.Length);
        writer.Write("WAVEfmt "u8);
        writer.Write(extensible ? 40 : 16);
        writer.Write((short)(extensible ? -2 : tag));
        writer.Write((short)channels);
        writer.Write(rate);
        writer.Write(rate * align);
        writer.Write((short)align);
        writer.Write((short)bits);
        if (extensible)
        {
            writer.Write((short)22);
            writer.Write((short)bits);
            writer.Write(0);
            writer.Write((short)tag);
            writer.Write([0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113]);
        }

        writer.Write("data"u8);
        writer.Write(data.Length);
        writer.Write(data);
        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>A stream that cannot seek and returns what it has in small pieces.</summary>
    private sealed class Pipe(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, Math.Min(count, 13));

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override void Flush() => inner.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
