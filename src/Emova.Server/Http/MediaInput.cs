using Emova.Media;
using Emova.Server.Engine;

namespace Emova.Server.Http;

/// <summary>Recordings and pictures that come inside a request; every limit is checked before memory is taken.</summary>
internal sealed class MediaInput(ServerOptions options, RemoteMedia remote)
{
    /// <summary>Samples per second of headerless 16-bit audio in the protocol.</summary>
    public const int PcmRate = 24000;

    private readonly RecentMedia<SpeechInput> _recordings = new();
    private readonly RecentMedia<PictureInput> _pictures = new();

    /// <summary>A recording in base64, bare or as a data URI.</summary>
    public SpeechInput Speech(string? data, string? format, string param)
    {
        if (data is null)
            throw ApiException.Missing($"{param}.data");
        byte[] bytes = Base64(WithoutPrefix(data, $"{param}.data"), $"{param}.data");
        return format switch
        {
            "wav" => KnownWav(bytes, $"{param}.data"),
            "pcm16" => Pcm(bytes, $"{param}.data"),
            null => throw ApiException.Missing($"{param}.format"),
            _ => throw ApiException.Unsupported($"{param}.format", $"'{param}.format' is '{format}'. Supported values are: 'wav', 'pcm16'."),
        };
    }

    /// <summary>A WAV recording behind a URL: a data URI, or an address of an allowed host.</summary>
    public async Task<SpeechInput> SpeechAsync(string? url, string param, CancellationToken cancellationToken) =>
        KnownWav(await BytesAsync(url, param, cancellationToken).ConfigureAwait(false), param);

    /// <summary>A picture behind a URL: a data URI, or an address of an allowed host.</summary>
    public async Task<PictureInput> PictureAsync(string? url, string param, CancellationToken cancellationToken)
    {
        byte[] bytes = await BytesAsync(url, param, cancellationToken).ConfigureAwait(false);
        try
        {
            return _pictures.GetOrAdd(bytes, () => new PictureInput(ImageFile.Decode(bytes, param, options.Limits.MaxImagePixels)));
        }
        catch (EmovaException error)
        {
            throw ApiException.Invalid(param, error.Message, "invalid_image");
        }
    }

    /// <summary>A WAV file.</summary>
    public AudioClip Wav(byte[] file, string param)
    {
        try
        {
            return WavFile.Read(new MemoryStream(file), param, TimeSpan.FromSeconds(options.Limits.MaxAudioSeconds));
        }
        catch (EmovaException error)
        {
            throw ApiException.Invalid(param, error.Message, "invalid_audio");
        }
    }

    private SpeechInput KnownWav(byte[] file, string param) => _recordings.GetOrAdd(file, () => new SpeechInput(Wav(file, param)));

    private SpeechInput Pcm(byte[] bytes, string param)
    {
        if (bytes.Length == 0 || bytes.Length % 2 != 0)
            throw ApiException.Invalid(param, $"'{param}' has {bytes.Length} bytes; 16-bit audio has an even number of bytes, at least two.", "invalid_audio");
        if (bytes.Length / 2 > (long)options.Limits.MaxAudioSeconds * PcmRate)
            throw ApiException.Invalid(param, $"'{param}' is longer than the limit of {options.Limits.MaxAudioSeconds} s.", "invalid_audio");
        return new SpeechInput(new AudioClip(Pcm16.ToSamples(bytes), PcmRate));
    }

    private async Task<byte[]> BytesAsync(string? url, string param, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(url))
            throw ApiException.Missing(param);
        return url.StartsWith("data:", StringComparison.OrdinalIgnoreCase)
            ? Base64(WithoutPrefix(url, param), param)
            : await remote.FetchAsync(url, param, cancellationToken).ConfigureAwait(false);
    }

    private static ReadOnlySpan<char> WithoutPrefix(string data, string param)
    {
        if (!data.StartsWith("data:", StringComparison.OrdinalIgnoreCase))
            return data;
        int comma = data.IndexOf(',', StringComparison.Ordinal);
        if (comma < 0 || !data.AsSpan(0, comma).EndsWith(";base64", StringComparison.OrdinalIgnoreCase))
            throw ApiException.Invalid(param, $"'{param}' is no base64 data URI (data:TYPE;base64,...).", "invalid_base64");
        return data.AsSpan(comma + 1);
    }

    private static byte[] Base64(ReadOnlySpan<char> text, string param)
    {
        byte[] bytes = new byte[(text.Length + 3) / 4 * 3];
        if (!Convert.TryFromBase64Chars(text, bytes, out int count) || count == 0)
            throw ApiException.Invalid(param, $"'{param}' is no valid base64.", "invalid_base64");
        return bytes.AsSpan(0, count).ToArray();
    }
}
