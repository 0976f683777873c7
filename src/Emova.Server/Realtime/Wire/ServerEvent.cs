using System.Text.Json.Serialization;

namespace Emova.Server.Realtime.Wire;

/// <summary>Everything the server says, in the names of the general-availability protocol; <see cref="BetaDialect"/> renames.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(SessionCreated), "session.created")]
[JsonDerivedType(typeof(SessionUpdated), "session.updated")]
[JsonDerivedType(typeof(ConversationCreated), "conversation.created")]
[JsonDerivedType(typeof(ItemAdded), "conversation.item.added")]
[JsonDerivedType(typeof(ItemDone), "conversation.item.done")]
[JsonDerivedType(typeof(ItemDeleted), "conversation.item.deleted")]
[JsonDerivedType(typeof(ItemRetrieved), "conversation.item.retrieved")]
[JsonDerivedType(typeof(ItemTruncated), "conversation.item.truncated")]
[JsonDerivedType(typeof(TranscriptionDelta), "conversation.item.input_audio_transcription.delta")]
[JsonDerivedType(typeof(TranscriptionCompleted), "conversation.item.input_audio_transcription.completed")]
[JsonDerivedType(typeof(TranscriptionFailed), "conversation.item.input_audio_transcription.failed")]
[JsonDerivedType(typeof(BufferCommitted), "input_audio_buffer.committed")]
[JsonDerivedType(typeof(BufferCleared), "input_audio_buffer.cleared")]
[JsonDerivedType(typeof(SpeechStarted), "input_audio_buffer.speech_started")]
[JsonDerivedType(typeof(SpeechStopped), "input_audio_buffer.speech_stopped")]
[JsonDerivedType(typeof(TimeoutTriggered), "input_audio_buffer.timeout_triggered")]
[JsonDerivedType(typeof(ResponseCreated), "response.created")]
[JsonDerivedType(typeof(ResponseDone), "response.done")]
[JsonDerivedType(typeof(OutputItemAdded), "response.output_item.added")]
[JsonDerivedType(typeof(OutputItemDone), "response.output_item.done")]
[JsonDerivedType(typeof(ContentPartAdded), "response.content_part.added")]
[JsonDerivedType(typeof(ContentPartDone), "response.content_part.done")]
[JsonDerivedType(typeof(OutputAudioDelta), "response.output_audio.delta")]
[JsonDerivedType(typeof(OutputAudioDone), "response.output_audio.done")]
[JsonDerivedType(typeof(OutputTranscriptDelta), "response.output_audio_transcript.delta")]
[JsonDerivedType(typeof(OutputTranscriptDone), "response.output_audio_transcript.done")]
[JsonDerivedType(typeof(OutputTextDelta), "response.output_text.delta")]
[JsonDerivedType(typeof(OutputTextDone), "response.output_text.done")]
[JsonDerivedType(typeof(ArgumentsDelta), "response.function_call_arguments.delta")]
[JsonDerivedType(typeof(ArgumentsDone), "response.function_call_arguments.done")]
[JsonDerivedType(typeof(RateLimitsUpdated), "rate_limits.updated")]
[JsonDerivedType(typeof(ErrorEvent), "error")]
[JsonDerivedType(typeof(TraceHeard), "emova.heard")]
[JsonDerivedType(typeof(TraceStyle), "emova.style")]
[JsonDerivedType(typeof(TraceUnits), "emova.units")]
[JsonDerivedType(typeof(TraceTimings), "emova.timings")]
internal abstract record ServerEvent
{
    [JsonPropertyOrder(-1)]
    public string EventId { get; init; } = "";
}

internal sealed record SessionCreated(SessionObject Session) : ServerEvent;

internal sealed record SessionUpdated(SessionObject Session) : ServerEvent;

internal sealed record ConversationCreated(ConversationObject Conversation) : ServerEvent;

internal sealed record ConversationObject(string Id)
{
    public string Object => "realtime.conversation";
}

internal sealed record ItemAdded(string? PreviousItemId, ItemObject Item) : ServerEvent;

internal sealed record ItemDone(string? PreviousItemId, ItemObject Item) : ServerEvent;

internal sealed record ItemDeleted(string ItemId) : ServerEvent;

internal sealed record ItemRetrieved(ItemObject Item) : ServerEvent;

internal sealed record ItemTruncated(string ItemId, int ContentIndex, int AudioEndMs) : ServerEvent;

internal sealed record TranscriptionDelta(string ItemId, int ContentIndex, string Delta) : ServerEvent;

internal sealed record TranscriptionCompleted(string ItemId, int ContentIndex, string Transcript, DurationUsage Usage) : ServerEvent;

internal sealed record TranscriptionFailed(string ItemId, int ContentIndex, TranscriptionError Error) : ServerEvent;

internal sealed record TranscriptionError(string Type, string Code, string Message, string? Param);

internal sealed record BufferCommitted(string? PreviousItemId, string ItemId) : ServerEvent;

internal sealed record BufferCleared : ServerEvent;

internal sealed record SpeechStarted(long AudioStartMs, string ItemId) : ServerEvent;

internal sealed record SpeechStopped(long AudioEndMs, string ItemId) : ServerEvent;

internal sealed record TimeoutTriggered(long AudioStartMs, long AudioEndMs, string ItemId) : ServerEvent;

internal sealed record ResponseCreated(ResponseObject Response) : ServerEvent;

internal sealed record ResponseDone(ResponseObject Response) : ServerEvent;

internal sealed record OutputItemAdded(string ResponseId, int OutputIndex, ItemObject Item) : ServerEvent;

internal sealed record OutputItemDone(string ResponseId, int OutputIndex, ItemObject Item) : ServerEvent;

internal sealed record ContentPartAdded(string ResponseId, string ItemId, int OutputIndex, int ContentIndex, ResponsePart Part) : ServerEvent;

internal sealed record ContentPartDone(string ResponseId, string ItemId, int OutputIndex, int ContentIndex, ResponsePart Part) : ServerEvent;

internal sealed record OutputAudioDelta(string ResponseId, string ItemId, int OutputIndex, int ContentIndex, string Delta) : ServerEvent;

internal sealed record OutputAudioDone(string ResponseId, string ItemId, int OutputIndex, int ContentIndex) : ServerEvent;

/// <summary>Words of the answer; <paramref name="StartTime"/> is when they are spoken, in seconds into the audio.</summary>
internal sealed record OutputTranscriptDelta(
    string ResponseId, string ItemId, int OutputIndex, int ContentIndex, string Delta,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? StartTime) : ServerEvent;

internal sealed record OutputTranscriptDone(string ResponseId, string ItemId, int OutputIndex, int ContentIndex, string Transcript) : ServerEvent;

internal sealed record OutputTextDelta(string ResponseId, string ItemId, int OutputIndex, int ContentIndex, string Delta) : ServerEvent;

internal sealed record OutputTextDone(string ResponseId, string ItemId, int OutputIndex, int ContentIndex, string Text) : ServerEvent;

internal sealed record ArgumentsDelta(string ResponseId, string ItemId, int OutputIndex, string CallId, string Delta) : ServerEvent;

internal sealed record ArgumentsDone(string ResponseId, string ItemId, int OutputIndex, string CallId, string Name, string Arguments) : ServerEvent;

/// <summary>What the caller may still use; comes with each response where there are limits.</summary>
internal sealed record RateLimitsUpdated(IReadOnlyList<RateLimitObject> RateLimits) : ServerEvent;

internal sealed record RateLimitObject(string Name, int Limit, int Remaining, double ResetSeconds);

internal sealed record ErrorEvent(ErrorObject Error) : ServerEvent;

/// <param name="Type">invalid_request_error or server_error.</param>
/// <param name="Code">What clients match on.</param>
/// <param name="Message">For people.</param>
/// <param name="Param">The field that is wrong.</param>
/// <param name="EventId">The client's event.</param>
internal sealed record ErrorObject(string Type, string? Code, string Message, string? Param, string? EventId);
