using Emova.Media;
using Emova.Server.Http;

namespace Emova.Server.Audio;

/// <summary>Formats of generated speech, all at 24 kHz.</summary>
internal enum AudioFormat
{
    Wav,
    Flac,
    Pcm,
}

/// <summary>Turns generated speech into a format piece by piece.</summary>
internal sealed class SpeechEncoder : IDisposable
{
    private readonly MemoryStream _bytes = new();
    private readonly AudioFormat _format;
    private Resampler? _resampler;
    private WavWriter? _wav;
    private FlacWriter? _flac;

    /// <param name="format">The format.</param>
    /// <param name="streamed">Whether the length has to stay open in a WAV header.</param>
    public SpeechEncoder(AudioFormat format, bool streamed)
    {
        _format = format;
        Stream target = streamed ? new ForwardOnlyStream(_bytes) : _bytes;
        if (format == AudioFormat.Wav)
            _wav = new WavWriter(target, MediaInput.PcmRate, leaveOpen: true);
        else if (format == AudioFormat.Flac)
            _flac = new FlacWriter(target, MediaInput.PcmRate);
    }

    /// <summary>Samples per second a client gets, whatever the model's rate.</summary>
    public long Samples { get; private set; }

    public static string ContentType(AudioFormat format) => format switch
    {
        AudioFormat.Wav => "audio/wav",
        AudioFormat.Flac => "audio/flac",
        _ => "audio/pcm",
    };

    /// <summary>Adds audio.</summary>
    /// <returns>The bytes that are complete now, possibly none; a streamed format's header comes with the first.</returns>
    public byte[] Push(float[] samples, int sampleRate)
    {
        if (sampleRate != MediaInput.PcmRate)
            samples = (_resampler ??= new Resampler(sampleRate, MediaInput.PcmRate)).Push(samples);
        Encode(samples);
        return Take();
    }

    /// <summary>Ends the audio.</summary>
    public byte[] Finish()
    {
        if (_resampler is not null)
            Encode(_resampler.Flush());
        _wav?.Dispose();
        _flac?.Dispose();
        (_wav, _flac) = (null, null);
        return Take();
    }

    /// <summary>Encodes finished speech.</summary>
    public static byte[] Encode(AudioFormat format, IEnumerable<Engine.EngineEvent.Audio> pieces)
    {
        using SpeechEncoder encoder = new(format, streamed: false);
        // The header of a file is corrected at the end, so its bytes may only be taken then.
        foreach (Engine.EngineEvent.Audio piece in pieces)
            encoder.Encode(piece.SampleRate == MediaInput.PcmRate ? piece.Samples : (encoder._resampler ??= new Resampler(piece.SampleRate, MediaInput.PcmRate)).Push(piece.Samples));
        return encoder.Finish();
    }

    public void Dispose()
    {
        _wav?.Dispose();
        _flac?.Dispose();
        _bytes.Dispose();
    }

    private void Encode(ReadOnlySpan<float> samples)
    {
        Samples += samples.Length;
        if (_format == AudioFormat.Pcm)
            _bytes.Write(Pcm16.ToBytes(samples));
        _wav?.Write(samples);
        _flac?.Write(samples);
    }

    private byte[] Take()
    {
        byte[] bytes = _bytes.ToArray();
        _bytes.SetLength(0);
        return bytes;
    }

    /// <summary>A stream that cannot seek, so that writers leave sizes open.</summary>
    private sealed class ForwardOnlyStream(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override void Write(ReadOnlySpan<byte> buffer) => inner.Write(buffer);
    }
}
