using System.Text.Json;

namespace Emova.Server.Realtime.Wire;

/// <summary>Values of fields that may be a word or an object.</summary>
internal static class JsonValues
{
    public static JsonElement Auto { get; } = Parse("\"auto\"");

    public static JsonElement Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
