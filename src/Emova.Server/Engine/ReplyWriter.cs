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
    private int _textTokens;
    private int _unitTokens;
    private bool _enough;
    private EndReason _end;

    public ReplyWriter(Assistant assistant, EngineOptions options, EngineRequest request, Action<EngineEvent> report, CancellationToken stop)
    {
        _assistant = assistant;
        _options = options;
        _request = request;
        _report = report;
        _stop = stop;
        _stopTexts = new StopTexts(request.Stop);
        _builder = new ReplyBuilder(assistant, request.Voice.Validate(), Forward);
    }

    public void Run()
    {
        (List<int> ids, List<PictureInput> pictures) = _builder.Time(ReplyBuilder.Part.Speech, () => PromptComposer.Compose(_assistant, _request, Hear));
        if (pictures.Count > 1)
            throw new EmovaException("a conversation may have one picture; later ones need a new conversation");
        foreach (PictureInput picture in pictures.Where(picture => picture.Features is null))
            picture.SetFeatures(_builder.Time(ReplyBuilder.Part.Image, () => _assistant.Model.EncodeImage(picture.Image!)));
        _stop.ThrowIfCancellationRequested();

        bool spoken = _request is { Task: EngineTask.Answer, Grammar: null } && _request.Messages[^1].Speech is not null;
        ReplyGrammar grammar = _request.Grammar ?? (_request.Task == EngineTask.Speak ? _assistant.SpeechGrammar : spoken ? _assistant.DialogueGrammar : _assistant.TextGrammar);
        PromptUsage usage = PromptComposer.Count(_assistant, ids, pictures, cached: 0);
        List<int> written = Write(ids, pictures, grammar, spoken, usage);
        string raw = Finish(written, spoken);
        if (_request is { Task: EngineTask.Answer, Speak: true } && !spoken && _builder.Text.Length > 0)
            SpeakText(_builder.Text);

        Reply reply = _builder.Finish();
        _report(new EngineEvent.Finished(new EngineResult(
            reply.Text, reply.Heard, reply.UserEmotion, reply.UserPitch, reply.Emotion, reply.Pitch, reply.Style, reply.Units, raw, _end,
            usage, _textTokens, _unitTokens, reply.Timings)));
    }

    private string Hear(SpeechInput speech)
    {
        if (speech.Units is null)
            speech.SetUnits(_assistant.EncodeToText(speech.Clip!));
        return speech.Units!;
    }

    private List<int> Write(List<int> ids, List<PictureInput> pictures, ReplyGrammar grammar, bool spoken, PromptUsage usage)
    {
        int capacity = _assistant.ContextLength(_options.ContextLength == 0 ? null : _options.ContextLength);
        Assistant.RequireRoom(usage.Total, grammar.TokensToFinish, capacity);
        PromptCache memory = new(_assistant.Model, capacity);
        int promptEnd = _builder.Time(ReplyBuilder.Part.Prefill, () => memory.Read(ids, pictures.FirstOrDefault()?.Features));
        _report(new EngineEvent.Started(usage));
        List<int> written = [];
        try
        {
            Generator generator = new(_assistant.Model.Language);
            GrammarCursor cursor = grammar.Start(new GrammarLimits(capacity, _options.MaxUnits));
            generator.Write(memory.Cache, [promptEnd], cursor, grammar.TokensToFinish, new Sampler(_request.Sampling, _assistant.Model.Language.Config.VocabSize), token =>
            {
                written.Add(token);
                Take(token, spoken);
            }, _stop);
        }
        catch (EnoughException)
        {
            // The callback's only way to end the loop before the grammar does.
        }

        return written;
    }

    private void Take(int token, bool spoken)
    {
        bool unit = _assistant.Speech is { } speech && speech.UnitOf(token) >= 0;
        // A spoken answer that nobody wants to hear ends where its units begin: everything else is known by then.
        if (unit && !_request.Speak && _request.Task == EngineTask.Answer)
            throw new EnoughException();
        if (_textTokens + _unitTokens >= _request.MaxTokens)
        {
            _end = EndReason.Length;
            throw new EnoughException();
        }

        _textTokens += unit ? 0 : 1;
        _unitTokens += unit ? 1 : 0;
        if (unit && _request.Task == EngineTask.Speak)
            _builder.TakeUnit(_assistant.Speech!.UnitOf(token));
        else
            _builder.Take(token, spoken);
        if (_enough)
            throw new EnoughException();
    }

    private string Finish(List<int> written, bool spoken)
    {
        bool complete = written.Count > 0 && written[^1] == _assistant.Tokenizer.RequireToken(_assistant.Template.EndToken);
        string raw = _builder.FinishText(complete ? written : [.. written, 0], spoken);
        if (_stopTexts.Flush() is { Length: > 0 } rest)
            _report(new EngineEvent.Answer(rest));
        return raw;
    }

    private void SpeakText(string text)
    {
        ConversationOptions options = new() { Sampling = _request.Sampling, Voice = _request.Voice, Limits = new GrammarLimits(Units: _options.MaxUnits) };
        _assistant.SpeakInto(_builder, _assistant.PrepareText(text), options, _stop);
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

    private sealed class EnoughException : Exception;
}
