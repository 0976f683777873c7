using System.Text;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Server.Chat;
using Emova.Server.Engine;
using Emova.Server.Realtime.Wire;
using Emova.Server.Security;

namespace Emova.Server.Realtime;

/// <summary>
/// One response from <c>response.created</c> to <c>response.done</c>. However it ends, everything it opened is closed once and in order.
/// </summary>
internal sealed class RealtimeResponse
{
    private readonly ResponseSettings _settings;
    private readonly ConversationItems? _conversation;
    private readonly string? _conversationId;
    private readonly RealtimeIds _ids;
    private readonly Action<ServerEvent> _send;
    private readonly List<ItemObject> _output = [];
    private readonly List<ConversationEntry> _calls = [];
    private readonly StringBuilder _arguments = new();
    private readonly ToolCallReader? _reader;
    private RealtimeUsage _before;
    private ConversationEntry? _message;
    private Resampler? _resampler;
    private int _resampledRate;
    private RealtimeUsage _usage;

    /// <param name="settings">What it is made with.</param>
    /// <param name="voice">Its voice.</param>
    /// <param name="conversation">The conversation its items go into; null for a response outside of it.</param>
    /// <param name="conversationId">The conversation's id.</param>
    /// <param name="heard">The item whose transcript the reply begins with.</param>
    /// <param name="ids">Names.</param>
    /// <param name="send">Where events go.</param>
    public RealtimeResponse(
        ResponseSettings settings, VoiceOptions voice, ConversationItems? conversation, string? conversationId, ConversationEntry? heard, RealtimeIds ids, Action<ServerEvent> send)
    {
        (_settings, _conversation, _conversationId, _ids, _send) = (settings, conversation, conversation is null ? null : conversationId, ids, send);
        (Heard, Voice) = (heard, voice);
        Id = Job = ids.Next("resp");
        if (settings.CallableTools().Count > 0)
            _reader = new ToolCallReader(AddText, (_, name) => OpenCall(name), (_, piece) => AddArguments(piece));
    }

    public string Id { get; }

    /// <summary>What the engine works on for it.</summary>
    public string Job { get; private set; }

    public VoiceOptions Voice { get; }

    public ConversationEntry? Heard { get; }

    /// <summary>The text that was written, complete, and is to be spoken now; null when nothing is left to do.</summary>
    public string? TextToSpeak { get; private set; }

    /// <summary>The transcript of <see cref="Heard"/> as far as it is known; null before its first word.</summary>
    public ItemTranscript? Transcript { get; set; }

    /// <summary>Whether the transcript is complete.</summary>
    public bool HeardAll { get; set; }

    /// <summary>The item being spoken or written; null before it exists.</summary>
    public ConversationEntry? Message => _message;

    /// <summary>Whether any audio was sent.</summary>
    public bool HasAudio { get; private set; }

    /// <summary>The items behind each message of the prompt, oldest first.</summary>
    public IReadOnlyList<IReadOnlyList<ConversationEntry>> Sources { get; init; } = [];

    private SpokenReply Reply { get; set; } = new();

    /// <param name="limits">What the caller may still use, this response not counted.</param>
    public void Begin(IReadOnlyList<RateLimit> limits)
    {
        Reply = new SpokenReply { Speed = _settings.Output.Speed };
        _send(new ResponseCreated(Snapshot("in_progress", null, null)));
        if (limits.Count > 0)
            _send(new RateLimitsUpdated([.. limits.Select(limit => new RateLimitObject(limit.Name, limit.Limit, Math.Max(0, limit.Remaining - 1), Math.Round(limit.Reset.TotalSeconds, 3)))]));
        // With tools it may be a call that comes; without, clients want to know of the message as early as possible.
        if (_reader is null)
            OpenMessage();
    }

    /// <summary>The written text is spoken by a job of its own.</summary>
    public void BeginVoice(string job) => (Job, TextToSpeak, _before, _usage) = (job, null, Add(_before, _usage), default);

    public void Tell(EngineEvent happening)
    {
        _usage = _usage with { OutputText = happening.TextTokens, OutputAudio = happening.AudioTokens };
        switch (happening)
        {
            case EngineEvent.Started started:
                _usage = new RealtimeUsage(started.Prompt.Text, started.Prompt.Audio, started.Prompt.Image, started.Prompt.Cached, 0, 0);
                foreach (ConversationEntry entry in Sources.Take(started.LeftOut).SelectMany(entries => entries))
                    entry.IsForgotten = true;
                break;
            case EngineEvent.Heard heard:
                Reply.AddHeard(heard.Text);
                break;
            case EngineEvent.UserMood mood:
                Reply.UserMood = (mood.Emotion, mood.Pitch);
                if (_settings.Trace && Heard is not null)
                    _send(new TraceHeard(Heard.Id, [.. Heard.Speech[^1].Runs.Select(run => new TraceRun(run.Unit, run.Length))], mood.Emotion, mood.Pitch));
                break;
            case EngineEvent.Answer answer when _reader is not null:
                _reader.Add(answer.Text);
                break;
            case EngineEvent.Answer answer:
                AddText(answer.Text);
                break;
            case EngineEvent.Mood mood:
                Reply.Mood = (mood.Emotion, mood.Pitch);
                TellStyle(mood.Style);
                break;
            case EngineEvent.Audio audio:
                AddAudio(audio);
                break;
            case EngineEvent.Finished finished:
                EngineResult result = finished.Result;
                _usage = new RealtimeUsage(
                    result.Prompt.Text, result.Prompt.Audio, result.Prompt.Image, result.Prompt.Cached, result.TextTokens, result.AudioTokens);
                Flush();
                Complete(result);
                break;
        }
    }

    /// <summary>Ends the response.</summary>
    /// <param name="status">completed, cancelled, failed or incomplete.</param>
    /// <param name="details">Why; null when completed.</param>
    public void Close(string status, StatusDetails? details = null)
    {
        string items = status == "completed" ? "completed" : "incomplete";
        if (_message is not null)
            CloseMessage(items);
        CloseCall(items);
        _send(new ResponseDone(Snapshot(status, details, UsageObject.Of(Add(_before, _usage)))));
    }

    private static RealtimeUsage Add(RealtimeUsage a, RealtimeUsage b) => new(
        a.Text + b.Text, a.Audio + b.Audio, a.Image + b.Image, a.Cached + b.Cached, a.OutputText + b.OutputText, a.OutputAudio + b.OutputAudio);

    private void Complete(EngineResult result)
    {
        _reader?.Finish();
        if (_calls.Count > 0)
            return;
        OpenMessage();
        TellTimings(result);
        if (_reader is not null && _settings.Spoken && Reply.Text.Length > 0 && Job == Id)
        {
            // Speaking it writes units, which are no part of what the model said.
            _message!.Raw = result.Raw;
            TextToSpeak = Reply.Text;
            return;
        }

        Reply.IsComplete = true;
        _message!.Raw ??= result.Raw;
    }

    private void OpenCall(string name)
    {
        CloseCall("completed");
        FunctionCallItem item = new() { Id = _ids.Next("item"), Status = "in_progress", CallId = _ids.Next("call"), Name = name };
        ConversationEntry entry = new(item);
        _calls.Add(entry);
        string? previous = _conversation?.Append(entry);
        _send(new OutputItemAdded(Id, _calls.Count - 1, item));
        if (_conversation is not null)
            _send(new ItemAdded(previous, item));
    }

    private void AddArguments(string piece)
    {
        _arguments.Append(piece);
        FunctionCallItem item = (FunctionCallItem)_calls[^1].Item;
        _send(new ArgumentsDelta(Id, item.Id, _calls.Count - 1, item.CallId, piece));
    }

    /// <summary>Closes the call that is being written, if there is one.</summary>
    private void CloseCall(string status)
    {
        if (_calls.Count == 0 || _calls[^1].Item is not FunctionCallItem { Status: "in_progress" } open)
            return;
        int index = _calls.Count - 1;
        FunctionCallItem item = open with { Status = status, Arguments = _arguments.ToString() };
        _arguments.Clear();
        _calls[^1].Item = item;
        _send(new ArgumentsDone(Id, item.Id, index, item.CallId, item.Name, item.Arguments));
        if (_conversation is not null)
            _send(new ItemDone(_conversation.PreviousOf(_calls[^1]), item));
        _send(new OutputItemDone(Id, index, item));
        _output.Add(item);
    }

    private void OpenMessage()
    {
        if (_message is not null)
            return;
        _message = new ConversationEntry(new MessageItem { Id = _ids.Next("item"), Role = "assistant", Status = "in_progress" });
        if (_settings.Spoken)
            _message.Spoken = Reply;
        string? previous = _conversation?.Append(_message);
        _send(new OutputItemAdded(Id, 0, _message.Item));
        if (_conversation is not null)
            _send(new ItemAdded(previous, _message.Item));
        _send(new ContentPartAdded(Id, _message.Id, 0, 0, Part("")));
    }

    private void AddText(string text)
    {
        OpenMessage();
        double start = Reply.AddText(text);
        _send(_settings.Spoken
            ? new OutputTranscriptDelta(Id, _message!.Id, 0, 0, text, Math.Round(start, 3))
            : new OutputTextDelta(Id, _message!.Id, 0, 0, text));
    }

    private void AddAudio(EngineEvent.Audio audio)
    {
        OpenMessage();
        if (audio.SampleRate != _resampledRate)
        {
            Flush();
            _resampledRate = audio.SampleRate;
            _resampler = audio.SampleRate == _settings.Output.Format.SampleRate ? null : new Resampler(audio.SampleRate, _settings.Output.Format.SampleRate);
        }

        Reply.AddAudio(audio);
        if (_settings.Trace && audio.Units.Count > 0)
            _send(new TraceUnits(Id, _message!.Id, [.. audio.Units.Select(unit => new TraceUnit(unit.Unit, Math.Round((double)unit.End / audio.SampleRate, 4)))]));
        SendAudio(_resampler?.Push(audio.Samples) ?? audio.Samples);
    }

    private void TellStyle(string name)
    {
        if (!_settings.Trace || !_settings.Spoken)
            return;
        OpenMessage();
        SpeechStyle style = SpeechStyle.Parse(name);
        _send(new TraceStyle(Id, _message!.Id, style.Emotion, style.Pitch, name));
    }

    private void TellTimings(EngineResult result)
    {
        // A typed question is answered without a mood; the style is known when it was spoken.
        if (Reply.Mood is null && result.Style is not null)
            TellStyle(result.Style);
        if (_settings.Trace)
            _send(new TraceTimings(Id, _message!.Id, TraceTimings.Of(result.Timings)));
    }

    private void Flush()
    {
        if (_resampler is null)
            return;
        SendAudio(_resampler.Flush());
        _resampler = null;
    }

    private void SendAudio(float[] samples)
    {
        if (samples.Length == 0)
            return;
        HasAudio = true;
        _send(new OutputAudioDelta(Id, _message!.Id, 0, 0, AudioCodec.ToBase64(samples, _settings.Output.Format)));
    }

    private void CloseMessage(string status)
    {
        string text = Reply.Text;
        ContentPart content = _settings.Spoken ? new OutputAudio(text) : new OutputText(text);
        _message!.Item = (MessageItem)_message.Item with { Status = status, Content = [content] };
        // What was begun and not ended is kept as far as it came: the model's own words up to there are no whole reply.
        _message.Raw ??= _settings.Spoken ? Reply.ToReply(PromptItems.UnitText) : null;
        if (_settings.Spoken)
        {
            _send(new OutputAudioDone(Id, _message.Id, 0, 0));
            _send(new OutputTranscriptDone(Id, _message.Id, 0, 0, text));
        }
        else
        {
            _send(new OutputTextDone(Id, _message.Id, 0, 0, text));
        }

        _send(new ContentPartDone(Id, _message.Id, 0, 0, Part(text)));
        if (_conversation is not null)
            _send(new ItemDone(_conversation.PreviousOf(_message), _message.Item));
        _send(new OutputItemDone(Id, 0, _message.Item));
        _output.Add(_message.Item);
    }

    private ResponsePart Part(string text) => _settings.Spoken ? new AudioResponsePart(text) : new TextResponsePart(text);

    private ResponseObject Snapshot(string status, StatusDetails? details, UsageObject? usage) => new()
    {
        Id = Id, Status = status, StatusDetails = details, Output = [.. _output], ConversationId = _conversationId, OutputModalities = _settings.Modalities,
        MaxOutputTokens = _settings.MaxOutputTokens, Audio = new ResponseAudio(new ResponseAudioOutput(_settings.Output.Format, _settings.Output.Voice)),
        Usage = usage, Metadata = _settings.Metadata,
    };
}
