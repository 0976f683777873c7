using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Server.Wire;

internal sealed record ChatCompletion(
    string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<ChatChoice> Choices, ChatUsage Usage);

internal sealed record ChatChoice(int Index, string FinishReason, JsonElement? Logprobs, ChatAnswer Message);

internal sealed record ChatAnswer(string Role, string? Content, string? Refusal, IReadOnlyList<string> Annotations)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatAnswerAudio? Audio { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatToolCall>? ToolCalls { get; init; }

    /// <summary>What a spoken turn tells beyond OpenAI's fields.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SpokenTurn? Emova { get; init; }
}

internal sealed record ChatAnswerAudio(string Id, string Data, string Transcript, long ExpiresAt);

/// <summary>What was heard, how it sounded, and how the answer sounds.</summary>
internal sealed record SpokenTurn(string? Heard, string? UserEmotion, string? UserPitch, string? Emotion, string? Pitch, string? Style);

internal sealed record ChatToolCall(string? Id, string? Type, ChatToolCallFunction? Function);

internal sealed record ChatToolCallFunction(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Name, string? Arguments);

internal sealed record ChatUsage(
    int PromptTokens, int CompletionTokens, int TotalTokens, ChatPromptDetails PromptTokensDetails, ChatCompletionDetails CompletionTokensDetails);

internal sealed record ChatPromptDetails(int AudioTokens, int TextTokens, int ImageTokens, int CachedTokens);

internal sealed record ChatCompletionDetails(
    int AudioTokens, int TextTokens, int ReasoningTokens, int AcceptedPredictionTokens, int RejectedPredictionTokens);

internal sealed record ChatChunk(string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<ChatChunkChoice> Choices)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatUsage? Usage { get; init; }
}

internal sealed record ChatChunkChoice(int Index, ChatDelta Delta, string? FinishReason, JsonElement? Logprobs);

/// <summary>New pieces; members that are null are not written. An explicit null is a <see cref="JsonElement"/> of that kind.</summary>
internal sealed record ChatDelta
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Content { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Refusal { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatDeltaAudio? Audio { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ChatToolCallDelta>? ToolCalls { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SpokenTurn? Emova { get; init; }
}

internal sealed record ChatDeltaAudio(string Id)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Transcript { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Data { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? ExpiresAt { get; init; }
}

internal sealed record ChatToolCallDelta(int Index, ChatToolCallFunction Function)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }
}
