using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Server.Realtime.Wire;

/// <summary>Writes the Realtime protocol: snake case, null for what is not set, no reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.Strict, MaxDepth = MaxDepth)]
[JsonSerializable(typeof(ServerEvent))]
internal sealed partial class RealtimeJson : JsonSerializerContext
{
    /// <summary>Deepest nesting in either direction; tool schemas are the deepest things that occur.</summary>
    public const int MaxDepth = 64;
}
