using System.Text;
using Emova.Generation;
using Emova.Text;

namespace Emova.Server.Engine;

/// <summary>Carries out one request: from its messages to the tokens the model writes, and from those to events and the result.</summary>
internal sealed class ReplyWriter
{
    private readonly Assistant _assistant;
    private readonly EngineOptions _options;
    private readonly int _capacity;
    private readonly EngineRequest _request;
    private readonly Action<EngineEvent> _report;
    private readonly ReplyBuilder _builder;
    private readonly StopTexts _stopTexts;
    private readonly StringBuilder _shown = new();
    private TokenWriter? _writer;
    private PromptUsage? _usage;
    private int _textTokens;
    private int _unitTokens;
    private int _toldUnits;
    private bool _enough;
    private EndReason _end;

    public ReplyWriter(Assistant assistant, EngineOptions options, int capacity, EngineRequest request, Action<EngineEvent> report)
    {
        _assistant = assistant;
        _options = options;
        _capacity = capacity;
        _request = request;
        _report = happening => report(happening with { TextTokens = _textTokens, AudioTokens = _unitTokens });
        _stopTexts = new StopTexts(request.Stop);
        _builder = new ReplyBuilder(assistant, request.Voice.Validate(), Forward);
    }

    /// <summary>The reply in the making; null before <see cref="Prepare"/>.</summary>
    public PendingReply? Pending { get; private set; }

    /// <summary>Looks and listens, and lays out the prompt.</summary>
    public void Prepare(CancellationToken stop)
    {
        (List<int> ids, List<PictureInput> pictures) = _builder.Time(ReplyBuilder.Part.Speech, () => PromptComposer.Compose(_assistant, _request, Hear));
        foreach (PictureInput picture in pictures)
        {
            stop.ThrowIfCancellationRequested();
            See(picture);
        }

        bool spoken = _request is { Task: EngineTask.Answer, Grammar: null } && _request.Messages[^1].Speech is not null;
        ReplyKind kind = _request.Task == EngineTask.Speak ? ReplyKind.Units : spoken ? ReplyKind.Dialogue : ReplyKind.Text;
        ReplyGrammar grammar = _request.Grammar ?? (kind switch
        {
            ReplyKind.Units => _assistant.SpeechGrammar,
            ReplyKind.Dialogue => _assistant.DialogueGrammar,
            _ => _assistant.TextGrammar,
        });
        Prompt prompt = new(ids, [.. pictures.Select(picture => picture.Features!)], _assistant.Model.Language.Config.HiddenSize);
        bool speakText = _request is { Task: EngineTask.Answer, Speak: true } && !spoken;
        Pending = new PendingReply(_builder, kind, onToken => Writer(prompt, grammar, onToken), speakText ? _ => Speak() : null, onWritten: null);
        _usage = PromptComposer.Count(_assistant, ids, pictures, _writer!.ReusedPositions);
        _report(new EngineEvent.Started(_usage));
    }

    /// <summary>The result of a complete reply.</summary>
    public EngineResult Finish()
    {
        Reply reply = Pending!.Finish();
        Show(_stopTexts.Flush());
        string text = _request.Task == EngineTask.Speak ? reply.Text : _shown.ToString();
        return new EngineResult(
            text, reply.Heard, reply.UserEmotion, reply.UserPitch, reply.Emotion, reply.Pitch, reply.Style, reply.Units, reply.Raw, _end,
            _usage!, _textTokens, reply.Units.Count, reply.Timings);
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

    private TokenWriter Writer(Prompt prompt, ReplyGrammar grammar, Action<int> onToken) => _writer = new TokenWriter(
        _assistant.CreateSequence(_capacity), prompt, grammar.Start(new GrammarLimits(_options.MaxTextBytes, _options.MaxUnits)),
        grammar.TokensToFinish, new Sampler(_request.Sampling, _assistant.Model.Language.Config.VocabSize), token => Take(token, onToken));

    /// <summary>Writes the units of the text that was answered.</summary>
    private TokenWriter? Speak()
    {
        Show(_stopTexts.Flush());
        string text = _assistant.PrepareText(_shown.ToString());
        if (text.Length == 0)
            return null;
        _enough = false;
        Prompt prompt = _assistant.PromptOf([new(ConversationRole.User, SpeechPrompts.Speak + text), new(ConversationRole.Assistant, null)], []);
        return Writer(prompt, _assistant.SpeechGrammar, token => _builder.Take(token, ReplyKind.Units));
    }

    /// <summary>Two requests may come with the same recording: one of them hears it.</summary>
    private string Hear(SpeechInput speech)
    {
        lock (speech)
        {
            if (speech.Units is null)
                speech.SetUnits(_assistant.EncodeToText(speech.Clip!, out IReadOnlyList<(int Unit, int Length)> runs), runs);
            return speech.Units!;
        }
    }

    private void See(PictureInput picture)
    {
        lock (picture)
        {
            if (picture.Features is null)
                picture.SetFeatures(_builder.Time(ReplyBuilder.Part.Image, () => _assistant.EncodeImage(picture.Image!)));
        }
    }

    private void Show(string text)
    {
        if (text.Length == 0)
            return;
        _shown.Append(text);
        _report(new EngineEvent.Answer(text));
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
                Show(_stopTexts.Add(text.Text));
                _enough |= _stopTexts.Found;
                break;
            case ReplyEvent.AnswerMood mood:
                _report(new EngineEvent.Mood(mood.Emotion, mood.Pitch, mood.Style));
                break;
            case ReplyEvent.AnswerAudio audio:
                SpokenUnit[] units = [.. _builder.UnitsFrom(_toldUnits).Select(unit => new SpokenUnit(unit.Unit, unit.End))];
                _toldUnits += units.Length;
                _report(new EngineEvent.Audio(audio.Clip.Samples, audio.Clip.SampleRate) { Units = units });
                break;
        }
    }
}
