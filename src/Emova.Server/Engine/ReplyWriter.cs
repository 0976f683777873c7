using System.Text;
using Emova.Generation;
using Emova.Media;
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
    private ProvenanceMarker? _mark;
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
        bool spoken = _request is { Task: EngineTask.Answer, Grammar: null } && _request.Messages[^1].Speech is not null;
        ReplyKind kind = _request.Task == EngineTask.Speak ? ReplyKind.Units : spoken ? ReplyKind.Dialogue : ReplyKind.Text;
        ReplyGrammar grammar = _request.Grammar ?? (kind switch
        {
            ReplyKind.Units => _assistant.SpeechGrammar,
            ReplyKind.Dialogue => _assistant.DialogueGrammar,
            _ => _assistant.TextGrammar,
        });
        (Prompt prompt, List<int> ids, List<PictureInput> pictures, int leftOut) = Compose(grammar, stop);
        bool speakText = _request is { Task: EngineTask.Answer, Speak: true } && !spoken;
        Pending = new PendingReply(_builder, kind, onToken => Writer(prompt, grammar, onToken), speakText ? _ => Speak() : null, onWritten: null);
        _usage = PromptComposer.Count(_assistant, ids, pictures, _writer!.ReusedPositions);
        _report(new EngineEvent.Started(_usage) { LeftOut = leftOut });
    }

    /// <summary>The result of a complete reply.</summary>
    public EngineResult Finish()
    {
        Reply reply = Pending!.Finish();
        Show(_stopTexts.Flush());
        if (_mark?.Flush() is { Length: > 0 } rest)
            _report(new EngineEvent.Audio(rest, _mark.SampleRate));
        string text = _request.Task == EngineTask.Speak ? reply.Text : _shown.ToString();
        return new EngineResult(
            text, reply.Heard, reply.UserEmotion, reply.UserPitch, reply.Emotion, reply.Pitch, reply.Style, reply.Units, reply.Raw, _end,
            _usage!, _textTokens, reply.Units.Count, reply.Timings);
    }

    /// <summary>The prompt, without the oldest turns where they do not fit and may be left out.</summary>
    private (Prompt Prompt, List<int> Ids, List<PictureInput> Pictures, int LeftOut) Compose(ReplyGrammar grammar, CancellationToken stop)
    {
        ContextTruncation truncation = _request.Truncation;
        EngineRequest request = _request;
        // Where turns may go, some room is made for the answer as well; otherwise a short answer is better than none.
        int system = _assistant.Tokenizer.Encode(request.System ?? _assistant.Template.SystemText).Count;
        int room = _capacity - (truncation.IsAllowed ? Math.Min(_request.MaxTokens ?? int.MaxValue, _capacity / 4) : 0) - grammar.TokensToFinish;
        if (truncation.MostTokens is { } most)
            room = Math.Min(room, most + system);
        for (int limit = room, leftOut = 0; ; limit = (int)(truncation.Retain * room))
        {
            (List<int> ids, List<PictureInput> pictures) = _builder.Time(ReplyBuilder.Part.Speech, () => PromptComposer.Compose(_assistant, request, Hear));
            foreach (PictureInput picture in pictures)
            {
                stop.ThrowIfCancellationRequested();
                See(picture);
            }

            Prompt prompt = new(ids, [.. pictures.Select(picture => picture.Features!)], _assistant.Model.Language.Config.HiddenSize);
            int turns = prompt.Length <= limit ? 0 : PromptComposer.OldestTurns(_assistant, request.Messages, prompt.Length - system, prompt.Length - (int)(truncation.Retain * room));
            if (prompt.Length <= room && turns == 0)
                return (prompt, ids, pictures, leftOut);
            if (turns == 0 || !truncation.IsAllowed)
                throw new ContextLengthException($"the conversation is too long: it takes {prompt.Length} positions, and there is room for {room}");
            leftOut += turns;
            request = request with { Messages = [.. request.Messages.Skip(turns)] };
        }
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
                float[] samples = audio.Clip.Samples;
                if (_options.MarkSpeech)
                    samples = (_mark ??= new ProvenanceMarker(audio.Clip.SampleRate)).Push(samples);
                SpokenUnit[] units = [.. _builder.UnitsFrom(_toldUnits).Select(unit => new SpokenUnit(unit.Unit, unit.End))];
                _toldUnits += units.Length;
                _report(new EngineEvent.Audio(samples, audio.Clip.SampleRate) { Units = units });
                break;
        }
    }
}
