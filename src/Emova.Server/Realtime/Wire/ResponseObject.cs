using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Server.Realtime.Wire;

/// <summary>A response as <c>response.created</c> and <c>response.done</c> show it.</summary>
internal sealed record ResponseObject
{
    public string Object => "realtime.response";

    public required string Id { get; init; }

    /// <summary>in_progress, completed, cancelled, failed or incomplete.</summary>
    public required string Status { get; init; }

    public StatusDetails? StatusDetails { get; init; }

    public IReadOnlyList<ItemObject> Output { get; init; } = [];

    /// <summary>Null for a response outside of the conversation.</summary>
    public string? ConversationId { get; init; }

    public required IReadOnlyList<string> OutputModalities { get; init; }

    public TokenLimit MaxOutputTokens { get; init; }

    public required ResponseAudio Audio { get; init; }

    public UsageObject? Usage { get; init; }

    public JsonElement? Metadata { get; init; }
}

internal sealed record ResponseAudio(ResponseAudioOutput Output);

internal sealed record ResponseAudioOutput(AudioFormat Format, string Voice);

internal sealed record StatusDetails(
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] StatusError? Error = null);

internal sealed record StatusError(string Type, string Code, string Message);

/// <summary>Tokens read and written; the parts add up.</summary>
internal sealed record UsageObject(int TotalTokens, int InputTokens, int OutputTokens, InputTokenDetails InputTokenDetails, OutputTokenDetails OutputTokenDetails)
{
    public static UsageObject Of(RealtimeUsage usage)
    {
        // The shared beginning of a prompt is text first, then a picture, then speech: what was cached is counted in this order.
        int text = Math.Min(usage.Cached, usage.Text), image = Math.Min(usage.Cached - text, usage.Image);
        int audio = Math.Min(usage.Cached - text - image, usage.Audio);
        int input = usage.Text + usage.Audio + usage.Image, output = usage.OutputText + usage.OutputAudio;
        return new UsageObject(
            input + output, input, output,
            new InputTokenDetails(usage.Text, usage.Audio, usage.Image, text + image + audio, new CachedTokenDetails(text, audio, image)),
            new OutputTokenDetails(usage.OutputText, usage.OutputAudio));
    }
}

internal sealed record InputTokenDetails(int TextTokens, int AudioTokens, int ImageTokens, int CachedTokens, CachedTokenDetails CachedTokensDetails);

internal sealed record CachedTokenDetails(int TextTokens, int AudioTokens, int ImageTokens);

internal sealed record OutputTokenDetails(int TextTokens, int AudioTokens);

/// <summary>
/// What a transcription took: the length of its audio in whole seconds, rounded up. A fraction would be allowed, but OpenAI's .NET
/// client (2.15) reads a whole number here and its session ends on anything else.
/// </summary>
internal sealed record DurationUsage(int Seconds)
{
    public string Type => "duration";
}
