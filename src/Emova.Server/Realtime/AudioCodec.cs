using Emova.Media;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>Between samples and the bytes of messages.</summary>
internal static class AudioCodec
{
    public static float[] Decode(ReadOnlySpan<byte> bytes, AudioFormat format)
    {
        if (format.Type == "audio/pcm")
            return Pcm16.ToSamples(bytes);
        float[] samples = new float[bytes.Length];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = format.Type == "audio/pcmu" ? G711.FromMuLaw(bytes[i]) : G711.FromALaw(bytes[i]);
        return samples;
    }

    public static string ToBase64(ReadOnlySpan<float> samples, AudioFormat format)
    {
        if (format.Type == "audio/pcm")
            return Convert.ToBase64String(Pcm16.ToBytes(samples));
        byte[] bytes = new byte[samples.Length];
        for (int i = 0; i < samples.Length; i++)
            bytes[i] = format.Type == "audio/pcmu" ? G711.ToMuLaw(samples[i]) : G711.ToALaw(samples[i]);
        return Convert.ToBase64String(bytes);
    }

    /// <summary>The bytes of a base64 field that holds audio.</summary>
    /// <exception cref="RealtimeException">It is too long, no base64, or ends in the middle of a sample.</exception>
    public static byte[] FromBase64(string text, AudioFormat format, string path, int mostBytes)
    {
        if (text.Length > mostBytes)
            throw RealtimeException.Invalid(path, $"Invalid '{path}': at most {mostBytes} bytes of base64 are allowed in one event.");
        byte[] bytes = new byte[text.Length / 4 * 3];
        if (!Convert.TryFromBase64String(text, bytes, out int count))
            throw RealtimeException.Invalid(path, $"Invalid '{path}': expected base64-encoded audio bytes.");
        if (count % format.BytesPerSample != 0)
            throw RealtimeException.Invalid(path, $"Invalid '{path}': {count} bytes are no whole number of 16-bit samples.");
        return bytes[..count];
    }
}
