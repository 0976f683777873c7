using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Server.Wire;

/// <summary>Body of <c>POST /v1/audio/speech</c>. Emotion, pitch, pitch shift, emotion strength and seed are additions to OpenAI's parameters.</summary>
internal sealed record SpeechRequest
{
    public string? Model { get; init; }

    public string? Input { get; init; }

    public JsonElement? Voice { get; init; }

    public string? Instructions { get; init; }

    public string? ResponseFormat { get; init; }

    public float? Speed { get; init; }

    public string? StreamFormat { get; init; }

    public string? Emotion { get; init; }

    public string? Pitch { get; init; }

    public float? PitchShift { get; init; }

    public float? EmotionStrength { get; init; }

    public long? Seed { get; init; }
}

internal sealed record SpeechDelta(string Type, string Audio);

internal sealed record SpeechDone(string Type, TokenUsage Usage);

internal sealed record TokenUsage(int InputTokens, int OutputTokens, int TotalTokens)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public InputTokenDetails? InputTokenDetails { get; init; }
}

internal sealed record InputTokenDetails(int AudioTokens, int TextTokens);

internal sealed record DurationUsage(string Type, double Seconds);

internal sealed record Transcription(string Text, TokenUsage Usage);

internal sealed record VerboseTranscription(string Task, string Language, double Duration, string Text, DurationUsage Usage)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<TranscriptSegment>? Segments { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<TranscriptWord>? Words { get; init; }
}

internal sealed record TranscriptSegment(
    int Id, int Seek, double Start, double End, string Text, IReadOnlyList<int> Tokens, double Temperature, double CompressionRatio);

internal sealed record TranscriptWord(string Word, double Start, double End);

internal sealed record TranscriptDelta(string Type, string Delta);

internal sealed record TranscriptDone(string Type, string Text, TokenUsage Usage);
