using System.Globalization;
using System.Text;
using Emova.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Emova.Server.Audio;

/// <summary>The form of <c>POST /v1/audio/transcriptions</c>, read into memory: what people say does not go to disk.</summary>
internal sealed record TranscriptionForm
{
    private const int MaxFields = 64;
    private const int MaxFieldBytes = 64 << 10;

    private static readonly string[] Languages = ["en", "english", "zh", "chinese"];

    public required byte[] File { get; init; }

    public required string Model { get; init; }

    public string Language { get; private init; } = "english";

    public string ResponseFormat { get; private init; } = "json";

    public float Temperature { get; private init; }

    public bool Words { get; private init; }

    public bool Segments { get; private init; }

    public bool Stream { get; private init; }

    public static async Task<TranscriptionForm> ReadAsync(Stream body, string? contentType, bool translation, CancellationToken cancellationToken)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out MediaTypeHeaderValue? type) || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            throw ApiException.UnsupportedMedia("The request body must be a form: set the header 'Content-Type: multipart/form-data; boundary=...'.");
        string boundary = HeaderUtilities.RemoveQuotes(type.Boundary).ToString();
        if (boundary.Length is 0 or > 70)
            throw ApiException.Invalid(null, "The form's boundary is missing or longer than 70 characters.", "invalid_form");
        try
        {
            (Dictionary<string, List<string>> fields, byte[]? file) = await ReadPartsAsync(new MultipartReader(boundary, body), cancellationToken).ConfigureAwait(false);
            return Check(fields, file, translation);
        }
        catch (Exception error) when (error is InvalidDataException or IOException and not BadHttpRequestException)
        {
            throw ApiException.Invalid(null, "The form is damaged or cut off.", "invalid_form");
        }
    }

    private static async Task<(Dictionary<string, List<string>> Fields, byte[]? File)> ReadPartsAsync(MultipartReader reader, CancellationToken cancellationToken)
    {
        Dictionary<string, List<string>> fields = new(StringComparer.Ordinal);
        byte[]? file = null;
        int count = 0;
        while (await reader.ReadNextSectionAsync(cancellationToken).ConfigureAwait(false) is { } section)
        {
            if (++count > MaxFields)
                throw ApiException.Invalid(null, $"The form has more than {MaxFields} parts.", "invalid_form");
            if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out ContentDispositionHeaderValue? disposition))
                throw ApiException.Invalid(null, "A part of the form has no name.", "invalid_form");
            string name = HeaderUtilities.RemoveQuotes(disposition.Name).ToString();
            using MemoryStream content = new();
            await CopyAsync(section.Body, content, name == "file" ? int.MaxValue : MaxFieldBytes, name, cancellationToken).ConfigureAwait(false);
            if (name == "file")
            {
                file = content.ToArray();
                continue;
            }

            name = name.EndsWith("[]", StringComparison.Ordinal) ? name[..^2] : name;
            if (!fields.TryGetValue(name, out List<string>? values))
                fields[name] = values = [];
            values.Add(Encoding.UTF8.GetString(content.ToArray()));
        }

        return (fields, file);
    }

    private static async Task CopyAsync(Stream from, MemoryStream to, int limit, string name, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[16 << 10];
        int read;
        while ((read = await from.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (to.Length + read > limit)
                throw ApiException.TooLarge(name, $"'{name}' is longer than {limit} bytes.");
            to.Write(buffer, 0, read);
        }
    }

    private static TranscriptionForm Check(Dictionary<string, List<string>> fields, byte[]? file, bool translation)
    {
        if (file is null)
            throw ApiException.Missing("file");
        string format = One("response_format") ?? "json";
        Refuse(format is not ("json" or "text" or "srt" or "vtt" or "verbose_json"), "response_format", "supported are 'json', 'text', 'srt', 'vtt', 'verbose_json'");
        Refuse(!string.IsNullOrEmpty(One("prompt")), "prompt", "a prompt is not used");
        Refuse(fields.ContainsKey("include"), "include", "log probabilities are not reported");
        Refuse(One("chunking_strategy") is not (null or "auto"), "chunking_strategy", "supported is 'auto'");
        string language = (One("language") ?? "en").ToLowerInvariant();
        Refuse(!Languages.Contains(language), "language", $"supported are {string.Join(", ", Languages)}");
        string temperature = One("temperature") ?? "0";
        if (!float.TryParse(temperature, NumberStyles.Float, CultureInfo.InvariantCulture, out float degree) || !(degree is >= 0 and <= 1))
            throw ApiException.Invalid("temperature", $"'temperature' is '{temperature}', allowed is 0 to 1.");
        List<string> granularities = fields.GetValueOrDefault("timestamp_granularities") ?? [];
        Refuse(granularities.Any(value => value is not ("word" or "segment")), "timestamp_granularities", "supported are 'word' and 'segment'");
        Refuse(granularities.Count > 0 && format != "verbose_json", "timestamp_granularities", "allowed only with response_format 'verbose_json'");
        string stream = One("stream") ?? "false";
        Refuse(stream is not ("true" or "false" or "True" or "False"), "stream", "allowed are 'true' and 'false'");
        bool streamed = stream is "true" or "True";
        Refuse(streamed && (translation || format is not ("json" or "text")), "stream", "allowed for transcriptions with response_format 'json' or 'text'");
        return new TranscriptionForm
        {
            File = file, Model = One("model") ?? throw ApiException.Missing("model"), ResponseFormat = format, Temperature = degree, Stream = streamed,
            Language = translation || language is "en" or "english" ? "english" : "chinese",
            Words = granularities.Contains("word"), Segments = granularities.Count == 0 || granularities.Contains("segment"),
        };

        string? One(string name) => !fields.TryGetValue(name, out List<string>? values) ? null
            : values.Count == 1 ? values[0] : throw ApiException.Invalid(name, $"'{name}' is given {values.Count} times.");

        static void Refuse(bool refuse, string param, string reason)
        {
            if (refuse)
                throw ApiException.Unsupported(param, $"'{param}' is not supported with this value: {reason}.");
        }
    }
}
