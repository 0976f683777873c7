using Emova.Evaluation.Judges;
using Emova.Media;

namespace Emova.Evaluation.Data;

/// <summary>Decodes Ogg Vorbis with a program the user has: oggdec or ffmpeg.</summary>
public static class SoundDecoder
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Null when Ogg files can be decoded, otherwise one line that names a package.</summary>
    public static string? WhyMissing() =>
        ExternalProgram.Find("oggdec") is null && ExternalProgram.Find("ffmpeg") is null
            ? "neither oggdec nor ffmpeg found; install the Debian package vorbis-tools or ffmpeg" : null;

    /// <summary>Mono samples at 16 kHz.</summary>
    /// <exception cref="EmovaException">No decoder is installed or the file is damaged.</exception>
    public static async Task<float[]> DecodeAsync(string path, CancellationToken cancellation = default)
    {
        if (WhyMissing() is { } reason) throw new EmovaException(reason);
        byte[] wav = ExternalProgram.Find("oggdec") is { } oggdec
            ? await ExternalProgram.RunAsync(oggdec, ["-Q", "-o", "-", path], Limit, cancellation).ConfigureAwait(false)
            : await ExternalProgram.RunAsync(ExternalProgram.Find("ffmpeg")!, ["-v", "error", "-i", path, "-f", "wav", "-"], Limit, cancellation).ConfigureAwait(false);
        using var stream = new MemoryStream(wav);
        AudioClip clip = WavFile.Read(stream, path);
        return Resampler.Resample(clip.Samples, clip.SampleRate, 16000);
    }
}
