using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace Emova.Server.Http;

/// <summary>Reads a JSON body; what is wrong with it is said in the protocol's terms.</summary>
internal static class JsonBody
{
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        if (!context.Request.HasJsonContentType())
            throw ApiException.UnsupportedMedia("The request body must be JSON: set the header 'Content-Type: application/json'.");
        return await ReadAsync(context.Request.Body, type, context.RequestAborted).ConfigureAwait(false);
    }

    public static async Task<T> ReadAsync<T>(Stream body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        // Grows with what arrives: an announced length takes no memory.
        using MemoryStream bytes = new();
        await body.CopyToAsync(bytes, cancellationToken).ConfigureAwait(false);
        ReadOnlyMemory<byte> json = bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
        try
        {
            RequireText(json.Span);
            return JsonSerializer.Deserialize(json.Span, type) ?? throw ApiException.Invalid(null, "The request body is null; a JSON object is expected.");
        }
        catch (JsonException error)
        {
            throw Wrong(error);
        }
    }

    /// <summary>Refuses bytes that are no UTF-8 and escapes that are no characters, which the parser would only find where a text is used.</summary>
    private static void RequireText(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
            throw new JsonException("no UTF-8");
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 64 });
        while (reader.Read())
        {
            if (!reader.ValueIsEscaped)
                continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException error)
            {
                throw new JsonException("half a character", error);
            }
        }
    }

    /// <summary>A part of a body that was kept as it came.</summary>
    public static T Read<T>(JsonElement element, JsonTypeInfo<T> type, string param)
    {
        try
        {
            return element.Deserialize(type) ?? throw ApiException.Invalid(param, $"'{param}' is null.");
        }
        catch (JsonException)
        {
            throw ApiException.Invalid(param, $"'{param}' does not have the expected form.", "invalid_type");
        }
    }

    private static ApiException Wrong(JsonException error)
    {
        // The path says which member has the wrong type; none means that the text is no JSON at all. The message may quote the body: it is not repeated.
        string path = error.Path?.TrimStart('$').TrimStart('.') ?? "";
        return path.Length > 0
            ? ApiException.Invalid(path, $"Invalid type or value for '{path}'.", "invalid_type")
            : ApiException.Invalid(null, "The request body is no valid JSON object.", "invalid_json");
    }
}
