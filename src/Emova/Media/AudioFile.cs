namespace Emova.Media;

/// <summary>Loads WAV and FLAC recordings; which of them it is is recognized from the content.</summary>
public static class AudioFile
{
    /// <summary>Names of the formats, for messages.</summary>
    public const string Formats = "WAV or FLAC";

    /// <summary>FLAC cannot be larger than twice its samples for long; this much covers headers, pictures and tags.</summary>
    private const long MetadataBytes = 16 << 20;

    private const int MostBytesPerSecond = 192000 * 8 * 4;

    /// <summary>Reads a file; channels are averaged.</summary>
    /// <param name="path">File to read.</param>
    /// <param name="maximumDuration">Longest recording accepted; <see cref="WavFile.DefaultMaximumDuration"/> when null.</param>
    /// <exception cref="EmovaException">The file is missing, neither WAV nor FLAC, empty, damaged or too long.</exception>
    public static AudioClip Read(string path, TimeSpan? maximumDuration = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        TimeSpan limit = maximumDuration ?? WavFile.DefaultMaximumDuration;
        byte[] bytes;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            Span<byte> start = stackalloc byte[4];
            int count = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            stream.Position = 0;
            if (!FlacReader.IsFlac(start[..count]))
                return WavFile.Read(stream, path, limit);
            if (stream.Length > MetadataBytes + limit.TotalSeconds * MostBytesPerSecond || stream.Length > Array.MaxLength)
                throw new EmovaException($"{path}: the file has {stream.Length} bytes, more than a recording of {limit.TotalSeconds:0.#} s can have");
            bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new EmovaException($"{path}: cannot read the recording: {e.Message}", e);
        }

        return FlacReader.Read(bytes, path, limit);
    }

    /// <summary>Decodes a recording held in memory.</summary>
    /// <param name="bytes">Content of a WAV or FLAC file.</param>
    /// <param name="name">Used in error messages.</param>
    /// <param name="maximumDuration">Longest recording accepted; <see cref="WavFile.DefaultMaximumDuration"/> when null.</param>
    /// <exception cref="EmovaException">The content is neither WAV nor FLAC, empty, damaged or too long.</exception>
    public static AudioClip Decode(byte[] bytes, string name, TimeSpan? maximumDuration = null)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        return FlacReader.IsFlac(bytes)
            ? FlacReader.Read(bytes, name, maximumDuration ?? WavFile.DefaultMaximumDuration)
            : WavFile.Read(new MemoryStream(bytes, writable: false), name, maximumDuration);
    }
}
