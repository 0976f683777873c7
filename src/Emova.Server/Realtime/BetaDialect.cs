using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>
/// The names of the protocol before its general availability: other event types, a flat session, other content parts. Events are
/// translated on their way in and out; nothing else knows of the difference.
/// </summary>
internal static class BetaDialect
{
    private static readonly (string General, string Beta)[] EventTypes =
    [
        ("response.output_audio.delta", "response.audio.delta"), ("response.output_audio.done", "response.audio.done"),
        ("response.output_audio_transcript.delta", "response.audio_transcript.delta"), ("response.output_audio_transcript.done", "response.audio_transcript.done"),
        ("response.output_text.delta", "response.text.delta"), ("response.output_text.done", "response.text.done"),
        ("conversation.item.added", "conversation.item.created"),
    ];

    // Flat fields of the beta session and where they went.
    private static readonly (string Beta, string[] Path)[] SessionFields =
    [
        ("voice", ["audio", "output", "voice"]), ("speed", ["audio", "output", "speed"]),
        ("input_audio_format", ["audio", "input", "format"]), ("output_audio_format", ["audio", "output", "format"]),
        ("input_audio_transcription", ["audio", "input", "transcription"]), ("input_audio_noise_reduction", ["audio", "input", "noise_reduction"]),
        ("turn_detection", ["audio", "input", "turn_detection"]), ("max_response_output_tokens", ["max_output_tokens"]), ("temperature", ["beta_temperature"]),
    ];

    private static readonly (string Beta, string Type)[] Formats = [("pcm16", "audio/pcm"), ("g711_ulaw", "audio/pcmu"), ("g711_alaw", "audio/pcma")];

    /// <summary>Whether a session update is written in the beta dialect.</summary>
    public static bool IsSpoken(JsonElement session) => session.ValueKind == JsonValueKind.Object && !session.TryGetProperty("type", out _)
        && !session.TryGetProperty("audio", out _) && !session.TryGetProperty("output_modalities", out _) && session.EnumerateObject().Any();

    /// <summary>A client event in the general dialect.</summary>
    public static JsonElement FromClient(JsonElement message)
    {
        JsonObject node = JsonObject.Create(message.Clone())!;
        if (node["session"] is JsonObject session)
        {
            node["session"] = Nest(session);
            ((JsonObject)node["session"]!).TryAdd("type", "realtime");
        }

        if (node["response"] is JsonObject response)
        {
            node["response"] = Nest(response);
            foreach (JsonNode? item in response["input"] as JsonArray ?? [])
                RenameParts(item, toGeneral: true);
        }

        RenameParts(node["item"], toGeneral: true);
        using JsonDocument document = JsonDocument.Parse(node.ToJsonString());
        return document.RootElement.Clone();
    }

    /// <summary>A server event in the beta dialect; null for one that it does not have.</summary>
    public static JsonObject? ToClient(JsonObject message)
    {
        string type = (string)message["type"]!;
        // Beta has one event for a new item; that it is complete is seen by what follows.
        if (type == "conversation.item.done")
            return null;
        string renamed = EventTypes.FirstOrDefault(pair => pair.General == type).Beta ?? type;
        message["type"] = renamed;
        if (message["session"] is JsonObject session)
            message["session"] = FlattenSession(session);
        if (message["response"] is JsonObject response)
        {
            response["modalities"] = Modalities(response["output_modalities"]);
            response["max_output_tokens"] = response["max_output_tokens"]?.DeepClone();
            response["voice"] = response["audio"]?["output"]?["voice"]?.DeepClone();
            response["output_audio_format"] = BetaFormat(response["audio"]?["output"]?["format"]);
            response.Remove("output_modalities");
            response.Remove("audio");
            foreach (JsonNode? item in (JsonArray)response["output"]!)
                RenameParts(item, toGeneral: false);
        }

        RenameParts(message["item"], toGeneral: false);
        if (message["error"] is JsonObject error && error["param"] is JsonValue param)
            error["param"] = BetaPath((string)param!);
        return message;
    }

    private static JsonObject Nest(JsonObject flat)
    {
        JsonObject nested = [];
        foreach ((string name, JsonNode? value) in flat)
        {
            string[]? path = SessionFields.FirstOrDefault(field => field.Beta == name).Path;
            if (name == "modalities")
                nested["output_modalities"] = value is JsonArray list && list.Any(item => item is JsonValue text && text.TryGetValue(out string? word) && word == "audio")
                    ? new JsonArray("audio") : value?.DeepClone();
            else if (path is null)
                nested[name] = value?.DeepClone();
            else
                Put(nested, path, name.EndsWith("_format", StringComparison.Ordinal) ? GeneralFormat(value) : value?.DeepClone());
        }

        return nested;
    }

    private static void Put(JsonObject target, ReadOnlySpan<string> path, JsonNode? value)
    {
        foreach (string step in path[..^1])
        {
            if (target[step] is not JsonObject inner)
                target[step] = inner = [];
            target = inner;
        }

        target[path[^1]] = value;
    }

    private static JsonNode? GeneralFormat(JsonNode? value) => value is JsonValue text && text.TryGetValue(out string? name)
        ? new JsonObject { ["type"] = Formats.FirstOrDefault(format => format.Beta == name).Type ?? name } : value?.DeepClone();

    private static string? BetaFormat(JsonNode? format) => Formats.FirstOrDefault(known => known.Type == (string?)format?["type"]).Beta;

    private static JsonArray Modalities(JsonNode? general) => (string?)general?[0] == "text" ? new JsonArray("text") : new JsonArray("text", "audio");

    private static JsonObject FlattenSession(JsonObject session)
    {
        JsonNode? input = session["audio"]?["input"], output = session["audio"]?["output"];
        JsonObject flat = new()
        {
            ["object"] = "realtime.session", ["id"] = session["id"]?.DeepClone(), ["model"] = session["model"]?.DeepClone(),
            ["expires_at"] = session["expires_at"]?.DeepClone(), ["modalities"] = Modalities(session["output_modalities"]),
            ["instructions"] = session["instructions"]?.DeepClone(), ["voice"] = output?["voice"]?.DeepClone(), ["speed"] = output?["speed"]?.DeepClone(),
            ["input_audio_format"] = BetaFormat(input?["format"]), ["output_audio_format"] = BetaFormat(output?["format"]),
            ["input_audio_transcription"] = input?["transcription"]?.DeepClone(), ["input_audio_noise_reduction"] = input?["noise_reduction"]?.DeepClone(),
            ["turn_detection"] = input?["turn_detection"]?.DeepClone(), ["tools"] = session["tools"]?.DeepClone(),
            ["tool_choice"] = session["tool_choice"]?.DeepClone(), ["temperature"] = session["temperature"]?.DeepClone(),
            ["max_response_output_tokens"] = session["max_output_tokens"]?.DeepClone(), ["tracing"] = session["tracing"]?.DeepClone(),
        };
        return flat;
    }

    private static void RenameParts(JsonNode? item, bool toGeneral)
    {
        if (item is not JsonObject message || message["content"] is not JsonArray parts)
            return;
        bool assistant = message["role"] is JsonValue role && role.TryGetValue(out string? name) && name == "assistant";
        foreach (JsonNode? part in parts)
        {
            if (part is JsonObject content && content["type"] is JsonValue type && type.TryGetValue(out string? kind))
            {
                content["type"] = (kind, assistant, toGeneral) switch
                {
                    ("text", true, true) => "output_text",
                    ("text", false, true) => "input_text",
                    ("audio", true, true) => "output_audio",
                    ("output_text", _, false) => "text",
                    ("output_audio", _, false) => "audio",
                    _ => kind,
                };
            }
        }
    }

    /// <summary>The beta name of a field that an error complains about.</summary>
    private static string BetaPath(string path)
    {
        foreach ((string beta, string[] steps) in SessionFields)
        {
            string general = string.Join('.', steps);
            foreach (string root in (string[])["session.", "response."])
            {
                if (path == root + general || path.StartsWith($"{root}{general}.", StringComparison.Ordinal))
                    return root + beta + path[(root.Length + general.Length)..];
            }
        }

        return path.Replace("output_modalities", "modalities", StringComparison.Ordinal);
    }
}
