using System.Buffers.Binary;
using Emova.Media;
using Emova.Server.Engine;
using Microsoft.Extensions.AI;

namespace Emova.Extensions.AI;

/// <summary>Between the contents of messages and what the engine takes.</summary>
internal static class MediaContent
{
    public const string Wav = "audio/wav";

    private static readonly TimeSpan LongestRecording = WavFile.DefaultMaximumDuration;

    /// <summary>A recording: a WAV file, or samples of 16 bits whose rate the media type or <paramref name="sampleRate"/> names.</summary>
    /// <exception cref="EmovaException">It is no usable recording.</exception>
    public static AudioClip ReadAudio(ReadOnlyMemory<byte> data, int? sampleRate)
    {
        if (data.Span.StartsWith("RIFF"u8) || sampleRate is null)
        {
            using MemoryStream stream = new(data.ToArray());
            return WavFile.Read(stream, "audio", LongestRecording);
        }

        if (sampleRate is not (>= 1000 and <= 384_000))
            throw new EmovaException($"sample rate {sampleRate} is out of range, allowed are 1000 to 384000");
        float[] samples = new float[data.Length / 2];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = BinaryPrimitives.ReadInt16LittleEndian(data.Span[(2 * i)..]) / 32768f;
        return new AudioClip(samples, sampleRate.Value);
    }

    public static SpeechInput ReadSpeech(DataContent content) => new(ReadAudio(content.Data, RateOf(content.MediaType)));

    public static PictureInput ReadPicture(DataContent content) => new(ImageFile.Decode(content.Data.ToArray(), content.Name ?? "image"));

    /// <summary>Samples as content of 16 bits: a WAV file, or bare samples with the rate in the media type.</summary>
    public static DataContent ToContent(ReadOnlySpan<float> samples, int sampleRate, bool bare)
    {
        using MemoryStream stream = new();
        using (WavWriter writer = new(stream, sampleRate, WavEncoding.Pcm16, leaveOpen: true))
            writer.Write(samples);
        return bare
            ? new DataContent(stream.ToArray().AsMemory((int)stream.Length - (2 * samples.Length)), FormattableString.Invariant($"audio/pcm;rate={sampleRate}"))
            : new DataContent(stream.ToArray(), Wav);
    }

    private static int? RateOf(string mediaType)
    {
        foreach (string part in mediaType.Split(';'))
        {
            if (part.Trim().StartsWith("rate=", StringComparison.OrdinalIgnoreCase) && int.TryParse(part.Trim()["rate=".Length..], out int rate))
                return rate;
        }

        return mediaType.StartsWith("audio/pcm", StringComparison.OrdinalIgnoreCase) ? 24_000 : null;
    }
}
