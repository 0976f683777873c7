using System.Text.Json;

namespace Emova.Server.Wire;

/// <summary>
/// Body of <c>POST /v1/chat/completions</c>. Parameters that this server does not have are listed too, so that they can be refused
/// by name instead of being ignored.
/// </summary>
internal sealed record ChatRequest
{
    public string? Model { get; init; }

    public IReadOnlyList<ChatRequestMessage>? Messages { get; init; }

    public IReadOnlyList<string>? Modalities { get; init; }

    public ChatAudioOptions? Audio { get; init; }

    public bool? Stream { get; init; }

    public ChatStreamOptions? StreamOptions { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public int? MaxTokens { get; init; }

    public JsonElement? Stop { get; init; }

    public long? Seed { get; init; }

    public IReadOnlyList<ChatTool>? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public bool? ParallelToolCalls { get; init; }

    public ChatResponseFormat? ResponseFormat { get; init; }

    public int? N { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    public double? PresencePenalty { get; init; }

    public double? FrequencyPenalty { get; init; }

    public JsonElement? LogitBias { get; init; }

    public JsonElement? Functions { get; init; }

    public JsonElement? FunctionCall { get; init; }

    public JsonElement? Prediction { get; init; }

    public JsonElement? WebSearchOptions { get; init; }

    public string? ReasoningEffort { get; init; }

    public string? Verbosity { get; init; }

    public string? ServiceTier { get; init; }

    public bool? Store { get; init; }
}

internal sealed record ChatRequestMessage
{
    public string? Role { get; init; }

    public JsonElement? Content { get; init; }

    public ChatAudioReference? Audio { get; init; }

    public IReadOnlyList<ChatToolCall>? ToolCalls { get; init; }

    public string? ToolCallId { get; init; }
}

/// <summary>A part of a message's content; which member is set goes by the type.</summary>
internal sealed record ChatContentPart
{
    public string? Type { get; init; }

    public string? Text { get; init; }

    public string? Refusal { get; init; }

    public ChatUrl? ImageUrl { get; init; }

    public ChatUrl? AudioUrl { get; init; }

    public ChatInputAudio? InputAudio { get; init; }
}

internal sealed record ChatUrl(string? Url, string? Detail);

internal sealed record ChatInputAudio(string? Data, string? Format);

internal sealed record ChatAudioReference(string? Id);

/// <summary>How the answer sounds. Emotion, pitch, speed and seed are additions to OpenAI's voice and format.</summary>
internal sealed record ChatAudioOptions
{
    public JsonElement? Voice { get; init; }

    public string? Format { get; init; }

    public string? Emotion { get; init; }

    public string? Pitch { get; init; }

    public float? Speed { get; init; }

    public float? PitchShift { get; init; }

    public float? EmotionStrength { get; init; }
}

internal sealed record ChatStreamOptions(bool? IncludeUsage, bool? IncludeObfuscation);

internal sealed record ChatTool(string? Type, ChatFunction? Function);

internal sealed record ChatFunction(string? Name, string? Description, JsonElement? Parameters, bool? Strict);

internal sealed record ChatResponseFormat(string? Type, ChatJsonSchema? JsonSchema);

internal sealed record ChatJsonSchema(string? Name, string? Description, JsonElement? Schema, bool? Strict);
