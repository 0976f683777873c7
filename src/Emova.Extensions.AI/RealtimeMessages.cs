using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Server.Realtime.Wire;
using Microsoft.Extensions.AI;

namespace Emova.Extensions.AI;

/// <summary>Between the messages of Microsoft.Extensions.AI and the events of the Realtime protocol.</summary>
internal static class RealtimeMessages
{
    /// <exception cref="NotSupportedException">The message has something that the protocol or the model does not have.</exception>
    public static JsonObject ToProtocol(RealtimeClientMessage message)
    {
        JsonObject json = message switch
        {
            SessionUpdateRealtimeClientMessage update => new JsonObject { ["type"] = "session.update", ["session"] = Session(update.Options) },
            InputAudioBufferAppendRealtimeClientMessage append => new JsonObject
            {
                ["type"] = "input_audio_buffer.append", ["audio"] = Convert.ToBase64String(append.Content.Data.Span),
            },
            InputAudioBufferCommitRealtimeClientMessage => new JsonObject { ["type"] = "input_audio_buffer.commit" },
            CreateConversationItemRealtimeClientMessage create => new JsonObject { ["type"] = "conversation.item.create", ["item"] = Item(create.Item) },
            CreateResponseRealtimeClientMessage respond => new JsonObject { ["type"] = "response.create", ["response"] = Response(respond) },
            { RawRepresentation: string raw } => JsonNode.Parse(raw)!.AsObject(),
            { RawRepresentation: JsonElement { ValueKind: JsonValueKind.Object } raw } => JsonObject.Create(raw)!,
            _ => throw new NotSupportedException($"messages of type {message.GetType().Name} are not supported; raw JSON of the Realtime protocol is"),
        };
        if (message.MessageId is { } id)
            json["event_id"] = id;
        return json;
    }

    public static RealtimeServerMessage FromProtocol(ServerEvent happening)
    {
        RealtimeServerMessage message = happening switch
        {
            OutputAudioDelta delta => Output(RealtimeServerMessageType.OutputAudioDelta, delta.ResponseId, delta.ItemId, null, delta.Delta),
            OutputAudioDone done => Output(RealtimeServerMessageType.OutputAudioDone, done.ResponseId, done.ItemId, null, null),
            OutputTranscriptDelta delta => Output(RealtimeServerMessageType.OutputAudioTranscriptionDelta, delta.ResponseId, delta.ItemId, delta.Delta, null),
            OutputTranscriptDone done => Output(RealtimeServerMessageType.OutputAudioTranscriptionDone, done.ResponseId, done.ItemId, done.Transcript, null),
            OutputTextDelta delta => Output(RealtimeServerMessageType.OutputTextDelta, delta.ResponseId, delta.ItemId, delta.Delta, null),
            OutputTextDone done => Output(RealtimeServerMessageType.OutputTextDone, done.ResponseId, done.ItemId, done.Text, null),
            TranscriptionDelta delta => Transcription(RealtimeServerMessageType.InputAudioTranscriptionDelta, delta.ItemId, delta.Delta, null),
            TranscriptionCompleted done => Transcription(RealtimeServerMessageType.InputAudioTranscriptionCompleted, done.ItemId, done.Transcript, null),
            TranscriptionFailed failed => Transcription(RealtimeServerMessageType.InputAudioTranscriptionFailed, failed.ItemId, null, failed.Error.Message),
            ResponseCreated created => Response(RealtimeServerMessageType.ResponseCreated, created.Response),
            ResponseDone done => Response(RealtimeServerMessageType.ResponseDone, done.Response),
            OutputItemAdded added => OutputItem(RealtimeServerMessageType.ResponseOutputItemAdded, added.ResponseId, added.OutputIndex, added.Item),
            OutputItemDone done => OutputItem(RealtimeServerMessageType.ResponseOutputItemDone, done.ResponseId, done.OutputIndex, done.Item),
            ItemAdded added => OutputItem(RealtimeServerMessageType.ConversationItemAdded, null, null, added.Item),
            ItemDone done => OutputItem(RealtimeServerMessageType.ConversationItemDone, null, null, done.Item),
            ErrorEvent error => new ErrorRealtimeServerMessage
            {
                Error = new ErrorContent(error.Error.Message) { ErrorCode = error.Error.Code, Details = error.Error.Param }, OriginatingMessageId = error.Error.EventId,
            },
            _ => new RealtimeServerMessage { Type = RealtimeServerMessageType.RawContentOnly },
        };
        message.MessageId = happening.EventId;
        message.RawRepresentation = JsonSerializer.SerializeToElement(happening, RealtimeJson.Default.ServerEvent);
        return message;
    }

    private static OutputTextAudioRealtimeServerMessage Output(RealtimeServerMessageType type, string response, string item, string? text, string? audio) =>
        new(type) { ResponseId = response, ItemId = item, OutputIndex = 0, ContentIndex = 0, Text = text, Audio = audio };

    private static InputAudioTranscriptionRealtimeServerMessage Transcription(RealtimeServerMessageType type, string item, string? text, string? error) =>
        new(type) { ItemId = item, ContentIndex = 0, Transcription = text, Error = error is null ? null : new ErrorContent(error) };

    private static ResponseCreatedRealtimeServerMessage Response(RealtimeServerMessageType type, ResponseObject response) => new(type)
    {
        ResponseId = response.Id, Status = response.Status, OutputVoice = response.Audio.Output.Voice, MaxOutputTokens = response.MaxOutputTokens.Value,
        OutputModalities = [.. response.OutputModalities], Items = [.. response.Output.Select(Item)],
        Error = response.StatusDetails?.Error is { } error ? new ErrorContent(error.Message) { ErrorCode = error.Code } : null,
        Usage = response.Usage is not { } usage ? null : new UsageDetails
        {
            InputTokenCount = usage.InputTokens, OutputTokenCount = usage.OutputTokens, TotalTokenCount = usage.TotalTokens,
            CachedInputTokenCount = usage.InputTokenDetails.CachedTokens,
        },
    };

    private static ResponseOutputItemRealtimeServerMessage OutputItem(RealtimeServerMessageType type, string? response, int? index, ItemObject item) =>
        new(type) { ResponseId = response, OutputIndex = index, Item = Item(item) };

    private static RealtimeConversationItem Item(ItemObject item)
    {
        List<AIContent> contents = [];
        ChatRole? role = null;
        if (item is MessageItem message)
        {
            role = new ChatRole(message.Role);
            foreach (ContentPart part in message.Content)
            {
                string? text = part switch
                {
                    InputText typed => typed.Text,
                    OutputText written => written.Text,
                    InputAudio heard => heard.Transcript,
                    OutputAudio spoken => spoken.Transcript,
                    _ => null,
                };
                if (text is not null)
                    contents.Add(new TextContent(text));
            }
        }

        return new RealtimeConversationItem(contents, item.Id, role);
    }

    private static JsonObject Session(RealtimeSessionOptions options)
    {
        if (options.SessionKind != RealtimeSessionKind.Conversation)
            throw new NotSupportedException($"sessions of kind '{options.SessionKind}' are not supported");
        Refuse(options.Tools?.Count > 0, nameof(options.Tools));
        JsonObject input = [], output = [], session = new() { ["type"] = "realtime" };
        if (options.InputAudioFormat is { } heard)
            input["format"] = Format(heard);
        if (options.TranscriptionOptions is { } transcription)
            input["transcription"] = new JsonObject { ["model"] = transcription.ModelId, ["language"] = transcription.SpeechLanguage, ["prompt"] = transcription.Prompt };
        if (options.VoiceActivityDetection is { } activity)
            input["turn_detection"] = activity.Enabled ? new JsonObject { ["type"] = "server_vad", ["interrupt_response"] = activity.AllowInterruption } : null;
        if (options.OutputAudioFormat is { } spoken)
            output["format"] = Format(spoken);
        if (options.Voice is not null)
            output["voice"] = options.Voice;
        session["audio"] = new JsonObject { ["input"] = input, ["output"] = output };
        if (options.Model is not null)
            session["model"] = options.Model;
        if (options.Instructions is not null)
            session["instructions"] = options.Instructions;
        if (options.MaxOutputTokens is { } most)
            session["max_output_tokens"] = most;
        if (options.OutputModalities is { } modalities)
            session["output_modalities"] = Modalities(modalities);
        return session;
    }

    private static JsonObject Response(CreateResponseRealtimeClientMessage message)
    {
        Refuse(message.Tools?.Count > 0, nameof(message.Tools));
        JsonObject response = [], output = [];
        if (message.Items is { } items)
            response["input"] = new JsonArray([.. items.Select(Item)]);
        if (message.OutputAudioOptions is { } format)
            output["format"] = Format(format);
        if (message.OutputVoice is not null)
            output["voice"] = message.OutputVoice;
        if (output.Count > 0)
            response["audio"] = new JsonObject { ["output"] = output };
        if (message.ExcludeFromConversation is true)
            response["conversation"] = "none";
        if (message.Instructions is not null)
            response["instructions"] = message.Instructions;
        if (message.MaxOutputTokens is { } most)
            response["max_output_tokens"] = most;
        if (message.OutputModalities is { } modalities)
            response["output_modalities"] = Modalities(modalities);
        if (message.AdditionalProperties is { Count: > 0 } metadata)
            response["metadata"] = new JsonObject(metadata.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value?.ToString())));
        return response;
    }

    private static JsonObject Item(RealtimeConversationItem item)
    {
        bool assistant = item.Role == ChatRole.Assistant;
        JsonArray content = [];
        foreach (AIContent part in item.Contents)
        {
            content.Add(part switch
            {
                TextContent text => new JsonObject { ["type"] = assistant ? "output_text" : "input_text", ["text"] = text.Text },
                DataContent data when data.HasTopLevelMediaType("image") => new JsonObject { ["type"] = "input_image", ["image_url"] = data.Uri },
                DataContent data when data.HasTopLevelMediaType("audio") => new JsonObject { ["type"] = "input_audio", ["audio"] = Convert.ToBase64String(data.Data.Span) },
                _ => throw new NotSupportedException($"content of type {part.GetType().Name} is not supported in a conversation"),
            });
        }

        JsonObject json = new() { ["type"] = "message", ["role"] = (item.Role ?? ChatRole.User).Value, ["content"] = content };
        if (item.Id is not null)
            json["id"] = item.Id;
        return json;
    }

    private static JsonObject Format(RealtimeAudioFormat format)
    {
        JsonObject json = new() { ["type"] = format.MediaType };
        if (format.MediaType == "audio/pcm")
            json["rate"] = format.SampleRate;
        return json;
    }

    /// <summary>Audio comes with its transcript, which other providers count as text.</summary>
    private static JsonArray Modalities(IEnumerable<string> modalities) => [modalities.Contains("audio") ? "audio" : "text"];

    private static void Refuse(bool? asked, string name)
    {
        if (asked is true)
            throw new NotSupportedException($"{name} is not supported by this model");
    }
}
