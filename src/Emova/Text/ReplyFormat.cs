using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Emova.Text;

/// <summary>
/// The JSON object a model answers a spoken turn with: seven keys in fixed order, the last one holding speech units.
/// </summary>
public static class ReplyFormat
{
    /// <summary>Transcript of the user's speech.</summary>
    public const string UserText = "user question text";

    /// <summary>The user's emotion.</summary>
    public const string UserEmotion = "user question emotion";

    /// <summary>The user's pitch.</summary>
    public const string UserPitch = "user question pitch";

    /// <summary>The answer.</summary>
    public const string ResponseText = "assistant response text";

    /// <summary>The emotion to answer in.</summary>
    public const string ResponseEmotion = "assistant response emotion";

    /// <summary>The pitch to answer in.</summary>
    public const string ResponsePitch = "assistant response pitch";

    /// <summary>The answer as speech units.</summary>
    public const string ResponseSpeech = "assistant response speech";

    /// <summary>Optional: slow, normal or fast. Read when present, never asked for.</summary>
    public const string ResponseSpeed = "assistant response speed";

    /// <summary>What follows the last unit.</summary>
    public const string End = "\"}";

    private static readonly JsonSerializerOptions PlainStrings = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The seven keys in order.</summary>
    public static IReadOnlyList<string> Keys { get; } =
        [UserText, UserEmotion, UserPitch, ResponseText, ResponseEmotion, ResponsePitch, ResponseSpeech];

    /// <summary>The emotions a reply may name.</summary>
    public static IReadOnlyList<string> Emotions { get; } = ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"];

    /// <summary>The pitches a reply may name.</summary>
    public static IReadOnlyList<string> Pitches { get; } = ["low", "normal", "high"];

    /// <summary>Writes a reply the way the training data spells it: one space after each colon and comma, text unescaped where JSON allows.</summary>
    public static string Write(
        string userText, string userEmotion, string userPitch, string responseText, string responseEmotion, string responsePitch, string unitText)
    {
        string[] values = [userText, userEmotion, userPitch, responseText, responseEmotion, responsePitch, unitText];
        IEnumerable<string> pairs = Keys.Zip(values, (key, value) => $"\"{key}\": {Quote(value)}");
        return $"{{{string.Join(", ", pairs)}}}";
    }

    /// <summary>
    /// Reads a reply with the reference's repairs: a cut-off object is closed, missing labels are neutral and normal, and
    /// anything that still is no such object counts as nothing but units.
    /// </summary>
    /// <param name="output">What the model wrote.</param>
    /// <param name="speaker">The chosen voice, female or male in any case; null means female.</param>
    public static ParsedReply Parse(string output, string? speaker = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        string gender = string.IsNullOrEmpty(speaker) ? "female" : speaker.ToLowerInvariant();
        string trimmed = output.Trim();
        string completed = !trimmed.StartsWith('{') ? output
            : trimmed.EndsWith("|>", StringComparison.Ordinal) ? trimmed + "\"}"
            : trimmed.EndsWith('"') ? trimmed + "}"
            : output;
        try
        {
            using JsonDocument document = JsonDocument.Parse(completed);
            JsonElement root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(ResponseSpeech, out JsonElement speech)
                && speech.ValueKind == JsonValueKind.String)
            {
                return new ParsedReply(
                    completed, true, ToUnitText(speech.GetString()!), Value(root, ResponseEmotion, "neutral"), Value(root, ResponseSpeed, "normal"),
                    Value(root, ResponsePitch, "normal"), gender, Value(root, UserText, null), Value(root, UserEmotion, null),
                    Value(root, UserPitch, null), Value(root, ResponseText, null));
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Not an object of this form (InvalidOperationException: half a surrogate pair in a string): treated as units below.
        }

        return new ParsedReply(completed, false, ToUnitText(completed), "neutral", "normal", "normal", gender, null, null, null, null);
    }

    /// <summary>Whether the output is a JSON object with all seven keys, without any repair (the evaluation's rule).</summary>
    public static bool IsComplete(string output)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(output);
            return document.RootElement.ValueKind == JsonValueKind.Object && Keys.All(key => document.RootElement.TryGetProperty(key, out _));
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Token text of units to the space-separated numbers a vocoder takes: <c>&lt;|speech_12|&gt;&lt;|speech_7|&gt;</c> to <c>12 7</c>.</summary>
    public static string ToUnitText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new StringBuilder(text).Replace("<|speech_", string.Empty).Replace("|>", " ").ToString().Trim();
    }

    /// <summary>The emotion among the four that voices are trained in: surprised counts as happy, fearful as sad, disgusted as angry.</summary>
    public static string ToVoicedEmotion(string emotion) => emotion switch
    {
        "surprised" => "happy",
        "fearful" => "sad",
        "disgusted" => "angry",
        _ => emotion,
    };

    private static string Value(JsonElement root, string key, string? missing) => !root.TryGetProperty(key, out JsonElement value) ? missing!
        : value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Null => "None",
            _ => value.GetRawText(),
        };

    private static string Quote(string text) => JsonSerializer.Serialize(text, PlainStrings);
}
