using System.Text.Json;
using System.Text.Unicode;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>Reads the JSON of one client event.</summary>
internal static class ClientMessage
{
    // The beta dialect nests what it finds two levels deeper.
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = RealtimeJson.MaxDepth - 4, AllowDuplicateProperties = false };

    /// <exception cref="RealtimeException">It is no JSON object, or a string in it is no text.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            // The parser looks at the bytes of a string only when somebody asks for it, which would be too late to refuse the event.
            if (!Utf8.IsValid(utf8.Span))
                throw new JsonException("invalid UTF-8");
            using JsonDocument document = JsonDocument.Parse(utf8, Options);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new RealtimeException("invalid_event", "An event is a JSON object.");
            // An escape can spell half of a surrogate pair, which is no text; only then every string needs a look.
            if (utf8.Span.IndexOf("\\ud"u8) >= 0 || utf8.Span.IndexOf("\\uD"u8) >= 0)
                RequireText(root);
            return root.Clone();
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            throw new RealtimeException("invalid_json", "We could not parse the JSON body of your event: it is malformed, nested too deeply, or repeats a field.");
        }
    }

    /// <exception cref="InvalidOperationException">A string or name has half of a surrogate pair.</exception>
    private static void RequireText(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement inner in element.EnumerateArray())
                    RequireText(inner);
                break;
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    RequireText(property.Value);
                }

                break;
        }
    }
}
