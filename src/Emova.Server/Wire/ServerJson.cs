using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Server.Wire;

/// <summary>Reads and writes the HTTP protocol: snake case, nothing guessed, no reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.Strict, MaxDepth = 64)]
[JsonSerializable(typeof(ApiError))]
[JsonSerializable(typeof(HealthReport))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelEntry))]
[JsonSerializable(typeof(VoiceList))]
[JsonSerializable(typeof(StyleList))]
[JsonSerializable(typeof(ChatRequest))]
[JsonSerializable(typeof(ChatContentPart))]
[JsonSerializable(typeof(ChatCompletion))]
[JsonSerializable(typeof(ChatChunk))]
[JsonSerializable(typeof(SpeechRequest))]
[JsonSerializable(typeof(SpeechDelta))]
[JsonSerializable(typeof(SpeechDone))]
[JsonSerializable(typeof(Transcription))]
[JsonSerializable(typeof(VerboseTranscription))]
[JsonSerializable(typeof(TranscriptDelta))]
[JsonSerializable(typeof(TranscriptDone))]
[JsonSerializable(typeof(string))]
internal sealed partial class ServerJson : JsonSerializerContext;

/// <summary>OpenAI's error object; all four keys are always present.</summary>
internal sealed record ApiError(ApiErrorBody Error);

internal sealed record ApiErrorBody(string Message, string Type, string? Param, string? Code);

internal sealed record HealthReport(string Status, int Running, int Waiting);

internal sealed record ModelList(string Object, IReadOnlyList<ModelEntry> Data);

internal sealed record ModelEntry(string Id, string Object, long Created, string OwnedBy);

internal sealed record VoiceList(IReadOnlyList<string> Voices);

internal sealed record StyleList(IReadOnlyList<StyleEntry> Styles);

/// <param name="Name">Such as <c>female-happy-high</c>.</param>
/// <param name="Vector">The style's vector.</param>
internal sealed record StyleEntry(string Name, IReadOnlyList<double> Vector);
