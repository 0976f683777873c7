using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Generation;
using Emova.Media;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using Emova.Server.Security;
using Emova.Text;
using ChatTool = Emova.Server.Wire.ChatTool;

namespace Emova.Server.Realtime;

/// <summary>
/// The Realtime protocol as a state machine: client events and engine events in, server events and engine requests out. It knows no
/// sockets, threads or clocks; whoever holds it calls it from one thread at a time.
/// </summary>
internal sealed class RealtimeSession
{
    /// <summary>The protocol's shortest turn.</summary>
    private const double ShortestCommitMs = 100;

    private readonly IRealtimeModel _model;
    private readonly EngineInfo _info;
    private readonly RealtimeLimits _limits;
    private readonly RealtimeIds _ids;
    private readonly Action<JsonObject?, ServerEvent> _write;
    private readonly SessionReader _sessions;
    private readonly ItemReader _items;
    private readonly ConversationItems _conversation;
    private readonly InputAudioBuffer _buffer;
    private readonly Dictionary<string, RealtimeResponse> _responses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ItemTranscript> _transcripts = new(StringComparer.Ordinal);
    private readonly List<TurnEvent> _turnEvents = [];
    private readonly string _conversationId;
    private SessionObject _session;
    private TurnDetector? _detector;
    private long _detectorStart;       // the detector counts from where it was switched on
    private RealtimeResponse? _active;
    private string? _eventId;          // of the client event being carried out
    private string? _speakingItem;     // the item that the user's present speech will become
    private long _speechStart;
    private string? _judging;          // the transcription that tells whether a pause is the end
    private long? _idleDeadline;       // position at which a silent user is asked again
    private bool _responseWaits;       // a turn ended while a response was running that is not to be interrupted
    private bool _voiceUsed;
    private bool _beta;

    /// <param name="model">The model.</param>
    /// <param name="info">What the model can do.</param>
    /// <param name="options">How the session begins.</param>
    /// <param name="write">Where server events go.</param>
    public RealtimeSession(IRealtimeModel model, EngineInfo info, RealtimeSessionOptions options, Action<JsonObject?, ServerEvent> write)
    {
        (_model, _info, _limits, _ids, _write, _beta) = (model, info, options.Limits, options.Ids, write, options.Beta);
        _sessions = new SessionReader(model, _limits);
        _items = new ItemReader(_ids, _limits);
        _conversation = new ConversationItems(_limits);
        _buffer = new InputAudioBuffer(_limits);
        _conversationId = _ids.Next("conv");
        _session = new SessionObject
        {
            Id = _ids.Next("sess"), Model = options.ModelName, ExpiresAt = options.ExpiresAt,
            OutputModalities = [info.CanSpeak ? "audio" : "text"],
            Audio = new SessionAudio { Output = new AudioOutput { Voice = options.Voice } },
        };
        Configure();
    }

    /// <summary>Whether a response is being made.</summary>
    public bool IsBusy => _responses.Count > 0;

    /// <summary>Announces the session: the first frame.</summary>
    public void Begin()
    {
        Send(new SessionCreated(_session));
        // The general dialect does not have this event in its first turn; clients of the beta wait for it.
        if (_beta)
            Send(new ConversationCreated(new ConversationObject(_conversationId)));
    }

    /// <summary>Carries out one client event; what is wrong with it becomes an <c>error</c> event.</summary>
    /// <param name="utf8">One JSON object.</param>
    public void Receive(ReadOnlyMemory<byte> utf8)
    {
        _eventId = null;
        try
        {
            Dispatch(ClientMessage.Parse(utf8));
        }
        catch (RealtimeException wrong)
        {
            Complain(wrong.Code, wrong.Message, wrong.Param);
        }
        finally
        {
            _eventId = null;
        }
    }

    /// <summary>An error that is no fault of one event, such as a frame that is too large.</summary>
    public void Complain(string code, string message, string? param = null, string type = "invalid_request_error") =>
        Send(new ErrorEvent(new ErrorObject(type, code, message, param, _eventId)));

    /// <summary>What the engine says about a job.</summary>
    public void Tell(string job, EngineEvent happening)
    {
        if (_transcripts.TryGetValue(job, out ItemTranscript? transcript))
        {
            if (happening is EngineEvent.Answer words)
                transcript.Add(words.Text);
            return;
        }

        if (!_responses.TryGetValue(job, out RealtimeResponse? response))
            return;
        if (happening is EngineEvent.Heard heard && response.Heard is { } entry)
            ShowTranscript(response.Transcript ??= new ItemTranscript(entry), heard.Text);
        response.Tell(happening);
        if (happening is EngineEvent.UserMood && response.Transcript is { } complete)
        {
            response.HeardAll = true;
            CompleteTranscript(complete);
        }

        _voiceUsed |= response.HasAudio;
        if (happening is EngineEvent.Finished finished)
        {
            if (response.TextToSpeak is { } text)
                SpeakText(response, text);
            else if (finished.Result.End == EndReason.Length)
                Close(response, "incomplete", new StatusDetails("incomplete", "max_output_tokens"));
            else
                Close(response, "completed", null);
        }
    }

    /// <summary>A job ended: after <see cref="EngineEvent.Finished"/> without a failure, otherwise with one.</summary>
    public void End(string job, Exception? failure)
    {
        if (_transcripts.Remove(job, out ItemTranscript? transcript))
            EndTranscript(job, transcript, failure);
        else if (_responses.TryGetValue(job, out RealtimeResponse? response))
            Close(response, "failed", new StatusDetails("failed", Error: Describe(failure)));
    }

    private void Dispatch(JsonElement message)
    {
        Fields fields = new(message, "");
        _eventId = fields.OptionalText("event_id");
        string type = fields.OptionalText("type") ?? throw new RealtimeException("invalid_event", "The 'type' field is missing.", "type");
        if (type == "session.update" && fields.Given("session", out JsonElement update) && BetaDialect.IsSpoken(update))
            _beta = true;
        if (_beta)
            fields = new Fields(BetaDialect.FromClient(message), "");
        switch (type)
        {
            case "session.update":
                Update(fields.Object("session"));
                break;
            case "input_audio_buffer.append":
                Append(fields);
                break;
            case "input_audio_buffer.commit":
                CommitByHand();
                break;
            case "input_audio_buffer.clear":
                ClearBuffer();
                Send(new BufferCleared());
                break;
            case "conversation.item.create":
                CreateItem(fields);
                break;
            case "conversation.item.retrieve":
                RetrieveItem(fields.Text("item_id"));
                break;
            case "conversation.item.delete":
                DeleteItem(fields.Text("item_id"));
                break;
            case "conversation.item.truncate":
                TruncateItem(fields);
                break;
            case "response.create":
                CreateResponse(fields);
                break;
            case "response.cancel":
                CancelResponse(fields.OptionalText("response_id"));
                break;
            case "output_audio_buffer.clear":
                throw RealtimeException.Invalid("type", "'output_audio_buffer.clear' is for WebRTC and SIP; here the client holds the audio that is played.");
            default:
                throw RealtimeException.Invalid("type", $"Invalid value: '{(type.Length > 80 ? type[..80] : type)}'. It is not a client event of this protocol.");
        }
    }

    private void Update(Fields update)
    {
        SessionObject changed = _sessions.Apply(_session, update);
        if (_voiceUsed && changed.Audio.Output.Voice != _session.Audio.Output.Voice)
            throw new RealtimeException("cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present.", "session.audio.output.voice");
        if (changed.OutputModalities[0] == "audio" && !_info.CanSpeak)
            throw RealtimeException.Unsupported("session.output_modalities", "This model cannot speak; use ['text'].");
        _session = changed;
        Configure();
        Send(new SessionUpdated(_session));
    }

    private void Configure()
    {
        TurnDetection? wanted = _session.Audio.Input.TurnDetection;
        if (wanted is null)
        {
            _detector = null;
            StopJudging();
            _speakingItem = null;
            _idleDeadline = null;
        }
        else if (_detector is null)
        {
            _detector = new TurnDetector(wanted);
            _detectorStart = _buffer.End;
        }
        else
        {
            _detector.Settings = wanted;
        }
    }

    private void Append(Fields fields)
    {
        AudioFormat format = _session.Audio.Input.Format;
        byte[] bytes = AudioCodec.FromBase64(fields.Text("audio"), format, "audio", _limits.AppendBytes);
        if (_detector is null && _buffer.Milliseconds + (1000.0 * bytes.Length / format.BytesPerSample / format.SampleRate) > _limits.Turn.TotalMilliseconds)
            throw RealtimeException.Invalid("audio", $"The input audio buffer holds at most {_limits.Turn.TotalSeconds:0} s; commit or clear it.");
        float[] samples = _buffer.Append(bytes, format);
        if (_detector is null)
            return;
        _turnEvents.Clear();
        _detector.Push(samples, _turnEvents);
        Follow();
        if (_detector is not null && _speakingItem is not null && _buffer.End - _speechStart > _limits.Turn.TotalSeconds * InputAudioBuffer.SampleRate)
        {
            _detector.EndTurn();
            EndTurn(_buffer.End);
        }

        if (_speakingItem is null)
            _buffer.TrimIdle();
        AskAgain();
    }

    private void Follow()
    {
        // Ending a turn may start a response whose failure reports back here: work on a copy.
        foreach (TurnEvent change in _turnEvents.ToArray())
        {
            long position = _detectorStart + change.Sample;
            switch (change.Change)
            {
                case TurnChange.Started:
                    BeginTurn(position);
                    break;
                case TurnChange.Paused:
                    StopJudging();
                    _judging = _ids.Next("job");
                    _transcripts[_judging] = new ItemTranscript(null);
                    _model.Start(_judging, Transcription(new SpeechInput(_buffer.Peek(_speechStart, position))));
                    break;
                case TurnChange.Stopped:
                    EndTurn(position);
                    break;
            }
        }
    }

    private void BeginTurn(long position)
    {
        _idleDeadline = null;
        _speakingItem = _ids.Next("item");
        _speechStart = position;
        Send(new SpeechStarted(InputAudioBuffer.ToMs(position), _speakingItem));
        if (_active is not null && _session.Audio.Input.TurnDetection is { InterruptResponse: true })
            Cancel(_active, "turn_detected");
    }

    private void EndTurn(long position)
    {
        StopJudging();
        string item = _speakingItem!;
        _speakingItem = null;
        Send(new SpeechStopped(InputAudioBuffer.ToMs(position), item));
        Commit(item, _buffer.Take(_speechStart, position));
        if (_session.Audio.Input.TurnDetection is { CreateResponse: true })
            RespondToTurn();
    }

    private void CommitByHand()
    {
        if (_buffer.Milliseconds < ShortestCommitMs)
        {
            throw new RealtimeException(
                "input_audio_buffer_commit_empty",
                FormattableString.Invariant($"Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has {_buffer.Milliseconds:0.00}ms of audio."));
        }

        string item = _speakingItem ?? _ids.Next("item");
        _speakingItem = null;
        StopJudging();
        _detector?.EndTurn();
        AudioClip clip = _buffer.TakeAll(out int flushed);
        _detectorStart += flushed;
        Commit(item, clip);
        // The transcript normally comes with the answer; nobody knows yet whether this turn gets one.
        TranscribeIfWanted(_conversation.Find(item)!);
    }

    private void Commit(string id, AudioClip clip)
    {
        ConversationEntry entry = new(new MessageItem { Id = id, Role = "user", Content = [new InputAudio(null)] });
        entry.Hear(clip);
        string? previous = _conversation.Insert(entry, null);
        Send(new BufferCommitted(previous, id));
        Send(new ItemAdded(previous, entry.Item));
        Send(new ItemDone(previous, entry.Item));
    }

    private void ClearBuffer()
    {
        _buffer.TakeAll(out int flushed);
        _detectorStart += flushed;
        _detector?.EndTurn();
        StopJudging();
        _speakingItem = null;
    }

    private void RespondToTurn()
    {
        if (_active is not null)
        {
            _responseWaits = true;
            return;
        }

        try
        {
            Respond(_sessions.Read(_session, null), Remembered());
        }
        catch (RealtimeException wrong)
        {
            Complain(wrong.Code, wrong.Message, wrong.Param);
        }
    }

    /// <summary>A silent user is asked again once the last answer has been played and the time allowed is over.</summary>
    private void AskAgain()
    {
        if (_idleDeadline is not { } deadline || _buffer.End < deadline || _speakingItem is not null || _active is not null
            || _session.Audio.Input.TurnDetection is not ServerVad { IdleTimeoutMs: { } timeout })
            return;
        _idleDeadline = null;
        string item = _ids.Next("item");
        long from = deadline - ((long)timeout * InputAudioBuffer.SampleRate / 1000);
        Send(new TimeoutTriggered(InputAudioBuffer.ToMs(from), InputAudioBuffer.ToMs(deadline), item));
        Commit(item, _buffer.Take(from, deadline));
        RespondToTurn();
    }

    private void CreateItem(Fields fields)
    {
        ConversationEntry entry = _items.Read(fields.Object("item"), _session.Audio.Input.Format);
        if (entry.Pictures.Count > 0 && !_info.CanSee)
            throw RealtimeException.Unsupported("item.content", "This model cannot see pictures.");
        if (entry.Speech.Count > 0 && !_info.CanHear)
            throw RealtimeException.Unsupported("item.content", "This model cannot hear speech.");
        string? previous = _conversation.Insert(entry, fields.OptionalText("previous_item_id"));
        Send(new ItemAdded(previous, entry.Item));
        Send(new ItemDone(previous, entry.Item));
    }

    private void RetrieveItem(string id)
    {
        ConversationEntry entry = Find(id, "item_retrieve_invalid_item_id", "retrieving");
        ItemObject item = entry.Item;
        if (entry.Audio is { } clip && item is MessageItem message)
        {
            AudioFormat format = _session.Audio.Input.Format;
            float[] samples = format.SampleRate == clip.SampleRate ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, format.SampleRate);
            string audio = AudioCodec.ToBase64(samples, format);
            item = message with { Content = [.. message.Content.Select(part => part is InputAudio spoken ? spoken with { Audio = audio } : part)] };
        }

        Send(new ItemRetrieved(item));
    }

    private void DeleteItem(string id)
    {
        ConversationEntry entry = Find(id, "item_delete_invalid_item_id", "deleting");
        // What is being spoken cannot go on in a conversation that does not have it.
        if (_active?.Message == entry)
            Cancel(_active, "client_cancelled");
        _conversation.Remove(id);
        Send(new ItemDeleted(id));
    }

    private void TruncateItem(Fields fields)
    {
        string id = fields.Text("item_id");
        int index = fields.Whole("content_index", 0, int.MaxValue) ?? throw RealtimeException.Missing("content_index");
        int end = fields.Whole("audio_end_ms", 0, int.MaxValue) ?? throw RealtimeException.Missing("audio_end_ms");
        ConversationEntry entry = Find(id, "item_truncate_invalid_item_id", "truncating");
        if (entry.Spoken is not { } spoken || index != 0)
            throw RealtimeException.Invalid(index == 0 ? "item_id" : "content_index", "Only the audio of assistant messages, content part 0, can be truncated.");
        int length = (int)Math.Ceiling(spoken.Seconds * 1000);
        if (end > length)
            throw RealtimeException.Invalid("audio_end_ms", $"Audio content of {length}ms is already shorter than {end}ms");
        if (_active?.Message == entry)
            Cancel(_active, "client_cancelled");
        spoken.Truncate(end / 1000.0);
        // The engine finds the longest beginning it has computed: its memory goes back to the last unit and word that were heard.
        entry.Raw = spoken.ToReply(PromptItems.UnitText);
        entry.Item = (MessageItem)entry.Item with { Content = [new OutputAudio(spoken.Text)] };
        Send(new ItemTruncated(id, index, end));
    }

    private void CreateResponse(Fields fields)
    {
        Fields? given = fields.HasObject("response", out Fields response) ? response : null;
        ResponseSettings settings = _sessions.Read(_session, given);
        if (settings.Spoken && !_info.CanSpeak)
            throw RealtimeException.Unsupported("response.output_modalities", "This model cannot speak; use ['text'].");
        if (settings.InConversation && _active is not null)
        {
            throw new RealtimeException(
                "conversation_already_has_active_response",
                $"Conversation already has an active response in progress: {_active.Id}. Wait until the response is finished before creating a new one.");
        }

        if (!settings.InConversation && _responses.Count - (_active is null ? 0 : 1) >= _limits.ParallelResponses)
            throw RealtimeException.Invalid("response.conversation", $"At most {_limits.ParallelResponses} responses may run outside of the conversation at the same time.");
        if (_voiceUsed && settings.InConversation && settings.Spoken && settings.Output.Voice != _session.Audio.Output.Voice)
            throw new RealtimeException("cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present.", "response.audio.output.voice");
        Respond(settings, given is { } own && own.List("input", _limits.Items) is { } input ? ReadInput(input) : Remembered());
    }

    /// <summary>The conversation without the turns that the model's context has no room for any more.</summary>
    private List<ConversationEntry> Remembered() => [.. _conversation.Entries.Where(entry => !entry.IsForgotten)];

    private List<ConversationEntry> ReadInput(JsonElement[] input)
    {
        List<ConversationEntry> entries = [];
        for (int i = 0; i < input.Length; i++)
        {
            Fields item = new(input[i], $"response.input[{i}]");
            entries.Add(item.OptionalText("type") == "item_reference"
                ? _conversation.Find(item.Text("id")) ?? throw new RealtimeException("invalid_value", $"Item with id '{item.Text("id")}' not found.", item.PathOf("id"))
                : _items.Read(item, _session.Audio.Input.Format));
        }

        return entries;
    }

    private void Respond(ResponseSettings settings, IReadOnlyList<ConversationEntry> context)
    {
        if (settings.InConversation && _conversation.IsFull)
            throw RealtimeException.Invalid("response", $"A conversation has at most {_limits.Items} items; delete some first.");
        EngineRequest request = PromptItems.Compose(
            context, settings, _model.FindVoice(settings.Output.Voice)!, _info.CanSpeak, out ConversationEntry? heard, out IReadOnlyList<IReadOnlyList<ConversationEntry>> sources);
        request = AllowCalls(request, settings);
        if (settings.Temperature is { } temperature)
            request = request with { Sampling = new SamplingOptions { Temperature = (float)temperature, SpeechTemperature = 0 } };
        _idleDeadline = null;
        if (request.Grammar is not null && heard is not null)
        {
            // An answer of another form does not begin with what was heard.
            TranscribeIfWanted(heard);
            heard = null;
        }

        RealtimeResponse response = new(settings, request.Voice, settings.InConversation ? _conversation : null, _conversationId, heard, _ids, Send) { Sources = sources };
        _responses.Add(response.Job, response);
        if (settings.InConversation)
            _active = response;
        response.Begin(_model.RateLimits);
        // The reply begins with the transcript: one of its own would only be made twice.
        if (heard?.TranscriptionJob is { } job)
        {
            heard.TranscriptionJob = null;
            _transcripts.Remove(job);
            _model.Stop(job);
        }

        _model.Start(response.Job, request);
    }

    /// <summary>With functions the answer is text or calls, and text is spoken once it is complete.</summary>
    private EngineRequest AllowCalls(EngineRequest request, ResponseSettings settings)
    {
        IReadOnlyList<ChatTool> tools = settings.CallableTools();
        if (tools.Count == 0)
            return request;
        try
        {
            ReplyGrammar grammar = _model.FindCallGrammar(tools, settings.MayBeText)
                ?? throw RealtimeException.Unsupported("tools", "Tools are not supported here.");
            return request with { System = ToolPrompt.Append(request.System ?? _info.SystemText, tools), Grammar = grammar, Speak = false };
        }
        catch (EmovaException unusable)
        {
            throw RealtimeException.Unsupported("tools", unusable.Message);
        }
    }

    private void SpeakText(RealtimeResponse response, string text)
    {
        _responses.Remove(response.Job);
        response.BeginVoice(_ids.Next("job"));
        _responses.Add(response.Job, response);
        _model.Start(response.Job, new EngineRequest
        {
            Task = EngineTask.Speak, Messages = [new EngineMessage(ConversationRole.User, text)], Speak = true, Voice = response.Voice,
        });
    }

    private void CancelResponse(string? id)
    {
        RealtimeResponse? response = id is null ? _active : _responses.Values.FirstOrDefault(running => running.Id == id);
        if (response is null)
            throw new RealtimeException("response_cancel_not_active", "Cancellation failed: no active response found");
        Cancel(response, "client_cancelled");
    }

    private void Cancel(RealtimeResponse response, string reason)
    {
        _model.Stop(response.Job);
        Close(response, "cancelled", new StatusDetails("cancelled", reason));
    }

    private void Close(RealtimeResponse response, string status, StatusDetails? details)
    {
        _responses.Remove(response.Job);
        response.Close(status, details);
        if (response.Heard is { } heard && !response.HeardAll)
            TranscribeIfWanted(heard);
        if (response != _active)
            return;
        _active = null;
        if (status == "completed" && _session.Audio.Input.TurnDetection is ServerVad { IdleTimeoutMs: { } timeout })
            _idleDeadline = _buffer.End + (long)(InputAudioBuffer.SampleRate * ((response.Message?.Spoken?.Seconds ?? 0) + (timeout / 1000.0)));
        if (_responseWaits)
        {
            _responseWaits = false;
            RespondToTurn();
        }
    }

    private void TranscribeIfWanted(ConversationEntry entry)
    {
        if (_session.Audio.Input.Transcription is null || entry.TranscriptShown || entry.TranscriptionJob is not null)
            return;
        entry.TranscriptionJob = _ids.Next("job");
        _transcripts[entry.TranscriptionJob] = new ItemTranscript(entry);
        _model.Start(entry.TranscriptionJob, Transcription(entry.Speech[^1]));
    }

    private static EngineRequest Transcription(SpeechInput speech) => new()
    {
        Task = EngineTask.Transcribe, Messages = [new EngineMessage(ConversationRole.User, null, speech)],
    };

    private void EndTranscript(string job, ItemTranscript transcript, Exception? failure)
    {
        if (transcript.Entry is { } entry)
        {
            entry.TranscriptionJob = null;
            if (failure is null)
            {
                CompleteTranscript(transcript);
            }
            else
            {
                StatusError error = Describe(failure);
                Send(new TranscriptionFailed(entry.Id, 0, new TranscriptionError(error.Type, error.Code, error.Message, null)));
            }
        }
        else if (job == _judging && _detector is not null)
        {
            _judging = null;
            _turnEvents.Clear();
            // Without words to judge, waiting longer would only make the assistant slow.
            _detector.Judge(failure is not null || TurnCompleteness.IsComplete(transcript.Text), _turnEvents);
            Follow();
        }
    }

    /// <summary>More words; they are shown one piece late, because a transcript of one piece needs no delta.</summary>
    private void ShowTranscript(ItemTranscript transcript, string text)
    {
        string? ready = transcript.Hold(text);
        if (ready is not null && _session.Audio.Input.Transcription is not null && !transcript.Entry!.TranscriptShown)
            Send(new TranscriptionDelta(transcript.Entry.Id, 0, ready));
    }

    private void CompleteTranscript(ItemTranscript transcript)
    {
        ConversationEntry entry = transcript.Entry!;
        MessageItem message = (MessageItem)entry.Item;
        string text = transcript.Text;
        entry.Item = message with { Content = [.. message.Content.Select(part => part is InputAudio audio ? audio with { Transcript = text } : part)] };
        if (_session.Audio.Input.Transcription is null || entry.TranscriptShown)
            return;
        entry.TranscriptShown = true;
        if (transcript.Shown && transcript.Held is { } rest)
            Send(new TranscriptionDelta(entry.Id, 0, rest));
        Send(new TranscriptionCompleted(entry.Id, 0, text, new DurationUsage((int)Math.Ceiling(entry.SpokenTime.TotalSeconds))));
    }

    private void StopJudging()
    {
        if (_judging is null)
            return;
        _transcripts.Remove(_judging);
        _model.Stop(_judging);
        _judging = null;
    }

    private ConversationEntry Find(string id, string code, string doing) => _conversation.Find(id)
        ?? throw new RealtimeException(code, $"Error {doing} item: the item with id '{id}' does not exist.", "item_id");

    private static StatusError Describe(Exception? failure) => failure switch
    {
        ContextLengthException tooLong => new StatusError("invalid_request_error", ContextLengthException.Code, tooLong.Message),
        EmovaException unusable => new StatusError("invalid_request_error", "invalid_value", unusable.Message),
        RateLimitException limit => new StatusError("requests", RateLimitException.Code, limit.Message),
        EngineBusyException busy => new StatusError("server_error", "overloaded", busy.Message),
        _ => new StatusError("server_error", "internal_error", "The server had an error while processing the request."),
    };

    private void Send(ServerEvent happening)
    {
        ServerEvent named = happening with { EventId = _ids.Next("event") };
        if (!_beta)
        {
            _write(null, named);
            return;
        }

        JsonObject general = JsonSerializer.SerializeToNode(named, RealtimeJson.Default.ServerEvent)!.AsObject();
        if (general["session"] is JsonObject session)
            session["temperature"] = _session.Temperature ?? SessionObject.BetaTemperature;
        if (BetaDialect.ToClient(general) is { } translated)
            _write(translated, named);
    }
}
