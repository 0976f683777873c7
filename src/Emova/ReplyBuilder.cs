using System.Diagnostics;
using Emova.Generation;
using Emova.Media;
using Emova.Text;

namespace Emova;

/// <summary>Follows one reply while it is written: reports events, feeds the voice, and keeps the time.</summary>
internal sealed class ReplyBuilder
{
    private readonly Assistant _assistant;
    private readonly VoiceOptions _voice;
    private readonly Action<ReplyEvent>? _onEvent;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly TimeSpan[] _parts = new TimeSpan[3];
    private readonly IncrementalDecoder _decoder;
    private readonly ReplyReader _reader;
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);
    private readonly List<int> _units = [];
    private readonly List<float> _samples = [];
    private SpeechStreamer? _streamer;
    private TimeSpan? _firstText;
    private TimeSpan? _firstAudio;
    private string _raw = "";
    private int _tokens;

    public ReplyBuilder(Assistant assistant, VoiceOptions voice, Action<ReplyEvent>? onEvent)
    {
        _assistant = assistant;
        _voice = voice;
        _onEvent = onEvent;
        _decoder = assistant.Tokenizer.CreateDecoder(skipSpecialTokens: true);
        _reader = new ReplyReader(OnValue);
    }

    public enum Part
    {
        Speech,
        Image,
        Prefill,
    }

    /// <summary>The answer so far.</summary>
    public string Text => _values.GetValueOrDefault(ReplyFormat.ResponseText, "");

    private string? Style { get; set; }

    public T Time<T>(Part part, Func<T> work)
    {
        long start = Stopwatch.GetTimestamp();
        T result = work();
        Add(part, Stopwatch.GetElapsedTime(start));
        return result;
    }

    public void Add(Part part, TimeSpan time) => _parts[(int)part] += time;

    /// <summary>A token of the dialogue's JSON object (<paramref name="spoken"/>) or of a plain text answer.</summary>
    public void Take(int token, bool spoken)
    {
        _tokens++;
        if (spoken && _assistant.Speech is { } speech && speech.UnitOf(token) is >= 0 and int unit)
        {
            TakeUnit(unit);
            return;
        }

        string text = _decoder.Add(token);
        if (text.Length == 0)
            return;
        if (spoken)
            _reader.Read(text);
        else
            AnswerText(text);
    }

    /// <summary>A unit of the spoken answer. The voice is chosen at the first one: emotion and pitch are known by then.</summary>
    public void TakeUnit(int unit)
    {
        if (_streamer is null)
        {
            string? emotion = _values.GetValueOrDefault(ReplyFormat.ResponseEmotion);
            string? pitch = _values.GetValueOrDefault(ReplyFormat.ResponsePitch);
            (_streamer, Style) = _assistant.SpeechParts.StartVoice(_voice, emotion, pitch, OnAudio);
            if (emotion is not null && pitch is not null)
                _onEvent?.Invoke(new ReplyEvent.AnswerMood(emotion, pitch, Style));
        }

        _units.Add(unit);
        _streamer.Push(unit);
    }

    /// <summary>Ends the text of the answer.</summary>
    /// <returns>What the model wrote, without the end token.</returns>
    public string FinishText(IReadOnlyList<int> tokens, bool spoken)
    {
        string rest = _decoder.Flush();
        if (!spoken && rest.Length > 0)
            AnswerText(rest);
        return _raw = _assistant.Tokenizer.Decode(tokens.Take(tokens.Count - 1));
    }

    public Reply Finish()
    {
        _streamer?.Finish();
        AudioClip? audio = _streamer is null ? null : new AudioClip([.. _samples], _assistant.SpeechParts.SampleRate());
        Reply reply = new()
        {
            Heard = _values.GetValueOrDefault(ReplyFormat.UserText),
            UserEmotion = _values.GetValueOrDefault(ReplyFormat.UserEmotion),
            UserPitch = _values.GetValueOrDefault(ReplyFormat.UserPitch),
            Text = Text,
            Emotion = _values.GetValueOrDefault(ReplyFormat.ResponseEmotion),
            Pitch = _values.GetValueOrDefault(ReplyFormat.ResponsePitch),
            Style = Style,
            Units = _units,
            Audio = audio,
            Raw = _raw,
            TokenCount = _tokens,
            Timings = new ReplyTimings
            {
                SpeechEncoding = _parts[(int)Part.Speech],
                ImageEncoding = _parts[(int)Part.Image],
                Prefill = _parts[(int)Part.Prefill],
                FirstText = _firstText,
                FirstAudio = _firstAudio,
                Total = Stopwatch.GetElapsedTime(_start),
                AudioDuration = audio?.Duration ?? TimeSpan.Zero,
            },
        };
        _onEvent?.Invoke(new ReplyEvent.Finished(reply));
        return reply;
    }

    private void OnValue(string key, string piece, bool finished)
    {
        _values[key] = _values.GetValueOrDefault(key) + piece;
        if (key == ReplyFormat.UserText && piece.Length > 0)
            _onEvent?.Invoke(new ReplyEvent.HeardText(piece));
        else if (key == ReplyFormat.UserPitch && finished)
            _onEvent?.Invoke(new ReplyEvent.UserMood(_values[ReplyFormat.UserEmotion], _values[key]));
        else if (key == ReplyFormat.ResponseText && piece.Length > 0)
            Report(piece);
    }

    private void AnswerText(string text)
    {
        _values[ReplyFormat.ResponseText] = _values.GetValueOrDefault(ReplyFormat.ResponseText) + text;
        Report(text);
    }

    private void Report(string text)
    {
        _firstText ??= Stopwatch.GetElapsedTime(_start);
        _onEvent?.Invoke(new ReplyEvent.AnswerText(text));
    }

    private void OnAudio(float[] samples)
    {
        _firstAudio ??= Stopwatch.GetElapsedTime(_start);
        _samples.AddRange(samples);
        _onEvent?.Invoke(new ReplyEvent.AnswerAudio(new AudioClip(samples, _assistant.SpeechParts.SampleRate())));
    }
}
