using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Emova.Server.Engine;
using Emova.Server.Wire;

namespace Emova.Server.Operations;

/// <summary>The OpenAPI 3.1 description of the HTTP protocol, its schemas made from the very types that read and write it.</summary>
internal static class OpenApiDocument
{
    private sealed record Operation(
        string Path, string Method, string Summary, JsonTypeInfo? Request, string ResponseType, JsonTypeInfo? Response, bool Open = false, bool Form = false);

    private static readonly Operation[] Operations =
    [
        new("/v1/chat/completions", "post", "Answers a conversation in text or aloud; with stream=true as server-sent events of ChatChunk.",
            ServerJson.Default.ChatRequest, "application/json", ServerJson.Default.ChatCompletion),
        new("/v1/audio/speech", "post", "Reads text aloud in a style. The body is the audio as it is made, or events with stream_format=sse.",
            ServerJson.Default.SpeechRequest, "audio/wav", null),
        new("/v1/audio/transcriptions", "post", "Writes down a WAV recording, as json, text, srt, vtt or verbose_json.", null, "application/json", ServerJson.Default.Transcription, Form: true),
        new("/v1/audio/translations", "post", "Writes down a WAV recording in English.", null, "application/json", ServerJson.Default.Transcription, Form: true),
        new("/v1/audio/voices", "get", "Lists the model's styles.", null, "application/json", ServerJson.Default.VoiceList),
        new("/v1/models", "get", "Lists the model.", null, "application/json", ServerJson.Default.ModelList),
        new("/health", "get", "Tells whether the server works and how busy it is.", null, "application/json", ServerJson.Default.HealthReport, Open: true),
        new("/metrics", "get", "Measurements in Prometheus' text format.", null, "text/plain", null, Open: true),
    ];

    private static readonly (string Name, string Description)[] FormFields =
    [
        ("file", "WAV recording."), ("model", "The model's name."), ("language", "en or zh."), ("response_format", "json, text, srt, vtt or verbose_json."),
        ("temperature", "0 to 1."), ("timestamp_granularities[]", "word or segment, with verbose_json."), ("stream", "true for server-sent events."),
    ];

    public static JsonObject Create(EngineInfo info)
    {
        JsonObject schemas = [], paths = [];
        foreach (Operation operation in Operations)
            paths[operation.Path] = new JsonObject { [operation.Method] = Describe(operation, schemas) };
        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Emova", ["version"] = typeof(OpenApiDocument).Assembly.GetName().Version!.ToString(3),
                ["description"] = $"{info.ModelName} behind OpenAI's protocol. Parameters of that protocol that are not supported are refused with status 400 and their name.",
            },
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = schemas,
                ["securitySchemes"] = new JsonObject { ["key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
            },
        };
    }

    private static JsonObject Describe(Operation operation, JsonObject schemas)
    {
        JsonObject described = new() { ["summary"] = operation.Summary, ["operationId"] = operation.Method + operation.Path.Replace('/', '_') };
        if (!operation.Open)
            described["security"] = new JsonArray(new JsonObject { ["key"] = new JsonArray() });
        if (operation.Request is not null)
            described["requestBody"] = Body("application/json", Reference(operation.Request, schemas));
        else if (operation.Form)
            described["requestBody"] = Body("multipart/form-data", Form());
        JsonObject content = new() { [operation.ResponseType] = operation.Response is null ? [] : new JsonObject { ["schema"] = Reference(operation.Response, schemas) } };
        described["responses"] = new JsonObject
        {
            ["200"] = new JsonObject { ["description"] = "Done.", ["content"] = content },
            ["default"] = new JsonObject
            {
                ["description"] = "What went wrong, and with which parameter.",
                ["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = Reference(ServerJson.Default.ApiError, schemas) } },
            },
        };
        return described;
    }

    private static JsonObject Body(string type, JsonNode schema) =>
        new() { ["required"] = true, ["content"] = new JsonObject { [type] = new JsonObject { ["schema"] = schema } } };

    private static JsonObject Form()
    {
        JsonObject properties = [];
        foreach ((string name, string description) in FormFields)
            properties[name] = new JsonObject { ["type"] = "string", ["description"] = description };
        return new JsonObject { ["type"] = "object", ["required"] = new JsonArray("file", "model"), ["properties"] = properties };
    }

    private static JsonObject Reference(JsonTypeInfo type, JsonObject schemas)
    {
        string name = type.Type.Name;
        schemas[name] ??= type.GetJsonSchemaAsNode(new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true });
        return new JsonObject { ["$ref"] = $"#/components/schemas/{name}" };
    }
}
