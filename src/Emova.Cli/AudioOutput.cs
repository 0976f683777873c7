using Emova.Media;

namespace Emova.Cli;

/// <summary>
/// A WAV file that grows while speech is made. However the command ends, the header is corrected: an interrupted answer is a
/// playable file of what was spoken until then. The file is created with the first sample, so a failure leaves none behind.
/// </summary>
internal sealed class AudioOutput(string path) : IDisposable
{
    private WavWriter? _writer;

    public string Path => path;

    /// <summary>Whether there is a file.</summary>
    public bool HasStarted => _writer is not null;

    /// <summary>Fails early when the folder of the file does not exist.</summary>
    public static AudioOutput Create(string path)
    {
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new EmovaException($"--out {path}: there is no folder {folder}");
        if (Directory.Exists(path))
            throw new EmovaException($"--out {path}: is a folder, expected a WAV file");
        return new AudioOutput(path);
    }

    public void Write(AudioClip piece)
    {
        try
        {
            _writer ??= new WavWriter(new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read), piece.SampleRate);
            _writer.Write(piece.Samples);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EmovaException($"--out {path}: cannot be written: {exception.Message}", exception);
        }
    }

    public void Dispose() => _writer?.Dispose();
}
