namespace Emova.Media;

/// <summary>Whole WAV files at once; <see cref="WavReader"/> and <see cref="WavWriter"/> work piece by piece.</summary>
public static class WavFile
{
    /// <summary>The longest recording <see cref="Read(string, TimeSpan?)"/> loads unless told otherwise.</summary>
    public static readonly TimeSpan DefaultMaximumDuration = TimeSpan.FromMinutes(10);

    private const int BlockLength = 16384;

    /// <summary>Reads a WAV file; channels are averaged.</summary>
    /// <param name="path">File to read.</param>
    /// <param name="maximumDuration">Longest recording accepted; <see cref="DefaultMaximumDuration"/> when null.</param>
    /// <exception cref="EmovaException">The file is missing, no usable WAV file, empty, damaged or too long.</exception>
    public static AudioClip Read(string path, TimeSpan? maximumDuration = null)
    {
        using WavReader reader = WavReader.Open(path);
        return Read(reader, maximumDuration);
    }

    /// <summary>Reads WAV data from a stream; channels are averaged.</summary>
    /// <param name="stream">Where the RIFF header starts; needs not be seekable.</param>
    /// <param name="name">Name used in messages.</param>
    /// <param name="maximumDuration">Longest recording accepted; <see cref="DefaultMaximumDuration"/> when null.</param>
    /// <exception cref="EmovaException">The data are no usable WAV file, empty, damaged or too long.</exception>
    public static AudioClip Read(Stream stream, string name, TimeSpan? maximumDuration = null)
    {
        using WavReader reader = new(stream, name, leaveOpen: true);
        return Read(reader, maximumDuration);
    }

    /// <summary>Writes a WAV file. The file appears under its name only when it is complete.</summary>
    /// <param name="path">File to write.</param>
    /// <param name="samples">Mono samples, full scale = 1.</param>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="encoding">How samples are stored.</param>
    /// <exception cref="EmovaException">The file cannot be written.</exception>
    public static void Write(string path, ReadOnlySpan<float> samples, int sampleRate, WavEncoding encoding = WavEncoding.Pcm16)
    {
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            using (WavWriter writer = new(File.Create(temporary), sampleRate, encoding)) writer.Write(samples);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(temporary)) File.Delete(temporary);
            throw new EmovaException($"{path}: cannot be written: {exception.Message}", exception);
        }
    }

    private static AudioClip Read(WavReader reader, TimeSpan? maximumDuration)
    {
        TimeSpan limit = maximumDuration ?? DefaultMaximumDuration;
        long maximumFrames = (long)Math.Min(limit.TotalSeconds * reader.SampleRate, Array.MaxLength);
        if (reader.FrameCount > maximumFrames)
        {
            throw new EmovaException(
                $"{reader.Name}: the recording lasts {Seconds(reader.FrameCount.Value, reader.SampleRate)}, longer than the limit of {limit.TotalSeconds:0.#} s");
        }

        // The length may be unknown (a stream), and a header is not to be trusted with the size of the first allocation.
        float[] samples = new float[(int)Math.Min(reader.FrameCount ?? BlockLength, 1 << 22)];
        int count = 0;
        while (true)
        {
            if (count == samples.Length)
            {
                float[] probe = new float[1];
                if (reader.Read(probe) == 0) break;
                Array.Resize(ref samples, (int)Math.Min(Math.Max(2L * samples.Length, BlockLength), Array.MaxLength));
                samples[count++] = probe[0];
            }

            int read = reader.Read(samples.AsSpan(count));
            if (read == 0) break;
            count += read;
            if (count > maximumFrames)
                throw new EmovaException($"{reader.Name}: the recording is longer than the limit of {limit.TotalSeconds:0.#} s");
        }

        if (count == 0) throw new EmovaException($"{reader.Name}: the WAV file contains no samples");
        if (count < samples.Length) Array.Resize(ref samples, count);
        return new AudioClip(samples, reader.SampleRate);
    }

    private static string Seconds(long frames, int rate) => $"{(double)frames / rate:0.#} s";
}
