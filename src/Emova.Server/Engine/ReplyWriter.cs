using Emova.Generation;
using Emova.Text;

namespace Emova.Server.Engine;

/// <summary>Carries out one request on the engine's thread.</summary>
internal sealed class ReplyWriter
{
    private readonly Assistant _assistant;
    private readonly EngineOptions _options;
    private readonly EngineRequest _request;
    private readonly Action<EngineEvent> _report;
    private readonly CancellationToken _stop;
    private readonly ReplyBuilder _builder;
    private readonly StopTexts _stopTexts;
    private TokenWriter? _writer;
    private int _textTokens;
    private int _unitTokens;
    private bool _enough;
    private EndReason _end;

    public ReplyWriter(Assistant assistant, EngineOptions options, EngineRequest request, Action<EngineEvent> report, CancellationToken stop)
    {
        _assistant = assistant;
        _options = options;
        _request = request;
        _report = happening => report(happening with { TextTokens = _textTokens, AudioTokens = _unitTokens });
        _stop = stop;
        _stopTexts = new StopTexts(request.Stop);
        _builder = new ReplyBuilder(assistant, request.Voice.Validate(), Forward);
    }

    public void Run()
    {
        PendingReply pending = Begin(out PromptUsage usage);
        _report(new EngineEvent.Started(usage));
        Reply reply = pending.Run(_assistant, _stop);
        if (_stopTexts.Flush() is { Length: > 0 } rest)
            _report(new EngineEvent.Answer(rest));
        _report(new EngineEvent.Finished(new EngineResult(
            reply.Text, reply.Heard, reply.UserEmotion, reply.UserPitch, reply.Emotion, reply.Pitch, reply.Style, reply.Units, reply.Raw, _end,
            usage, _textTokens, _unitTokens, reply.Timings)));
    }

    /// <summary>Looks and listens, and prepares the writing.</summary>
    private PendingReply Begin(out PromptUsage usage)
    {
        (List<int> ids, List<PictureInput> pictures) = _builder.Time(ReplyBuilder.Part.Speech, () => PromptComposer.Compose(_assistant, _request, Hear));
        if (pictures.Count > 1)
            throw new EmovaException("a conversation may have one picture; later ones need a new conversation");
        foreach (PictureInput picture in pictures.Where(picture => picture.Features is null))
            picture.SetFeatures(_builder.Time(ReplyBuilder.Part.Image, () => _assistant.EncodeImage(picture.Image!)));
        _stop.ThrowIfCancellationRequested();

        bool spoken = _request is { Task: EngineTask.Answer, Grammar: null } && _request.Messages[^1].Speech is not null;
        ReplyKind kind = _request.Task == EngineTask.Speak ? ReplyKind.Units : spoken ? ReplyKind.Dialogue : ReplyKind.Text;
        ReplyGrammar grammar = _request.Grammar ?? (kind switch
        {
            ReplyKind.Units => _assistant.SpeechGrammar,
            ReplyKind.Dialogue => _assistant.DialogueGrammar,
            _ => _assistant.TextGrammar,
        });
        int capacity = _assistant.ContextLength(_options.ContextLength == 0 ? null : _options.ContextLength);
        Prompt prompt = new(ids, [.. pictures.Select(picture => picture.Features!)], _assistant.Model.Language.Config.HiddenSize);
        int cached = 0;
        PendingReply pending = new(_builder, kind, onToken =>
        {
            TokenWriter writer = new(
                new SequenceCache(_assistant.Model.Language, capacity, _assistant.Prefixes), prompt, grammar.Start(new GrammarLimits(capacity, _options.MaxUnits)),
                grammar.TokensToFinish, new Sampler(_request.Sampling, _assistant.Model.Language.Config.VocabSize), token => Take(token, onToken));
            cached = writer.ReusedPositions;
            return _writer = writer;
        }, _request is { Task: EngineTask.Answer, Speak: true } && !spoken ? _ => Speak() : null, onWritten: null);
        usage = PromptComposer.Count(_assistant, ids, pictures, cached);
        return pending;
    }

    private void Take(int token, Action<int> onToken)
    {
        bool unit = _assistant.Speech is { } speech && speech.UnitOf(token) >= 0;
        if (_textTokens + _unitTokens >= _request.MaxTokens)
        {
            _end = EndReason.Length;
            _writer!.Stop();
            return;
        }

        // A spoken answer that nobody wants to hear ends where its units begin: everything else is known by then.
        if (unit && !_request.Speak && _request.Task == EngineTask.Answer)
        {
            _writer!.Stop();
            return;
        }

        _textTokens += unit ? 0 : 1;
        _unitTokens += unit ? 1 : 0;
        onToken(token);
        if (_enough)
            _writer!.Stop();
    }

    private TokenWriter? Speak()
    {
        if (_builder.Text.Length == 0)
            return null;
        ConversationOptions options = new() { Sampling = _request.Sampling, Voice = _request.Voice, Limits = new GrammarLimits(Units: _options.MaxUnits) };
        return _assistant.SpeechWriter(_assistant.PrepareText(_builder.Text), options, _builder);
    }

    private string Hear(SpeechInput speech)
    {
        if (speech.Units is null)
            speech.SetUnits(_assistant.EncodeToText(speech.Clip!, out IReadOnlyList<(int Unit, int Length)> runs), runs);
        return speech.Units!;
    }

    private void Forward(ReplyEvent happening)
    {
        switch (happening)
        {
            case ReplyEvent.HeardText heard:
                _report(new EngineEvent.Heard(heard.Text));
                break;
            case ReplyEvent.UserMood mood:
                _report(new EngineEvent.UserMood(mood.Emotion, mood.Pitch));
                break;
            case ReplyEvent.AnswerText text:
                string visible = _stopTexts.Add(text.Text);
                if (visible.Length > 0)
                    _report(new EngineEvent.Answer(visible));
                _enough |= _stopTexts.Found;
                break;
            case ReplyEvent.AnswerMood mood:
                _report(new EngineEvent.Mood(mood.Emotion, mood.Pitch, mood.Style));
                break;
            case ReplyEvent.AnswerAudio audio:
                _report(new EngineEvent.Audio(audio.Clip.Samples, audio.Clip.SampleRate));
                break;
        }
    }
}
