using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Server.Realtime.Wire;

/// <summary>Most tokens of a response: a number, or "inf".</summary>
[JsonConverter(typeof(Converter))]
internal readonly record struct TokenLimit(int? Value)
{
    public sealed class Converter : JsonConverter<TokenLimit>
    {
        public override TokenLimit Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(reader.TokenType == JsonTokenType.Number ? reader.GetInt32() : null);

        public override void Write(Utf8JsonWriter writer, TokenLimit value, JsonSerializerOptions options)
        {
            if (value.Value is { } tokens)
                writer.WriteNumberValue(tokens);
            else
                writer.WriteStringValue("inf");
        }
    }
}
