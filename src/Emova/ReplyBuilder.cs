using System.Diagnostics;
using Emova.Generation;
using Emova.Media;
using Emova.Text;

namespace Emova;

/// <summary>
/// Follows one reply while it is written: reports events, feeds the voice, and keeps the time. The voice may run on a thread of its
/// own: it shares with the writing only what the lock guards.
/// </summary>
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
    private readonly Lock _gate = new();
    private readonly List<int> _units = [];
    private readonly List<float> _samples = [];
    private string? _emotion;
    private string? _pitch;
    private readonly List<int> _unitEnds = [];
    private int _voicedUnits;
    private int _worthACall = SpeechStreamer.FirstGroup;
    private bool _hasAllUnits;
    private bool _isVoiced;
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

    /// <summary>Number of the token that is the first unit; -1 while there is none. All tokens that follow up to the last unit are units.</summary>
    public int FirstUnitToken { get; private set; } = -1;

    /// <summary>Whether units wait that are worth a call of the vocoder, or the end of the speech does.</summary>
    public bool HasVoiceWork
    {
        get
        {
            lock (_gate)
                return !_isVoiced && (_hasAllUnits || _units.Count - _voicedUnits >= _worthACall);
        }
    }

    /// <summary>Whether all units are written and spoken.</summary>
    public bool IsVoiced
    {
        get
        {
            lock (_gate)
                return _isVoiced;
        }
    }

    /// <summary>Sample at which each unit ends, as far as that is known.</summary>
    public int[] UnitEnds
    {
        get
        {
            lock (_gate)
                return [.. _unitEnds];
        }
    }

    /// <summary>Units whose end is known, from a given one on, with the sample at which each ends.</summary>
    public (int Unit, int End)[] UnitsFrom(int first)
    {
        lock (_gate)
            return [.. _units.Skip(first).Zip(_unitEnds.Skip(first))];
    }

    private string? Style { get; set; }

    public T Time<T>(Part part, Func<T> work)
    {
        long start = Stopwatch.GetTimestamp();
        T result = work();
        Add(part, Stopwatch.GetElapsedTime(start));
        return result;
    }

    public void Add(Part part, TimeSpan time) => _parts[(int)part] += time;

    /// <summary>The text of an answer that is only to be spoken.</summary>
    public void SetText(string text) => _values[ReplyFormat.ResponseText] = text;

    /// <summary>A token of the reply.</summary>
    public void Take(int token, ReplyKind kind)
    {
        _tokens++;
        if (kind != ReplyKind.Text && _assistant.Speech is { } speech && speech.UnitOf(token) is >= 0 and int unit)
        {
            if (FirstUnitToken < 0)
                FirstUnitToken = _tokens - 1;
            TakeUnit(unit);
            return;
        }

        string text = kind == ReplyKind.Units ? "" : _decoder.Add(token);
        if (text.Length == 0)
            return;
        if (kind == ReplyKind.Dialogue)
            _reader.Read(text);
        else
            AnswerText(text);
    }

    /// <summary>Ends the text of the answer.</summary>
    /// <returns>What the model wrote, without the end token; empty when that was units only.</returns>
    public string FinishText(IReadOnlyList<int> tokens, ReplyKind kind)
    {
        string rest = _decoder.Flush();
        if (kind == ReplyKind.Text && rest.Length > 0)
            AnswerText(rest);
        if (kind == ReplyKind.Units)
            return "";
        bool hasEnd = tokens.Count > 0 && tokens[^1] == _assistant.Tokenizer.RequireToken(_assistant.Template.EndToken);
        return _raw = _assistant.Tokenizer.Decode(hasEnd ? tokens.SkipLast(1) : tokens);
    }

    /// <summary>No units will follow.</summary>
    public void FinishUnits()
    {
        lock (_gate)
        {
            _hasAllUnits = true;
            _isVoiced |= _units.Count == 0;
        }
    }

    /// <summary>Speaks the units that are new, and at the end a piece of what is left.</summary>
    public void Voice()
    {
        int[] units;
        bool isLast;
        lock (_gate)
        {
            if (_isVoiced)
                return;
            units = [.. _units.Skip(_voicedUnits)];
            _voicedUnits = _units.Count;
            isLast = _hasAllUnits;
        }

        if (units.Length > 0)
        {
            _streamer ??= StartVoice();
            _streamer.Push(units);
        }

        if (_streamer is null)
            return; // nothing to be spoken is written yet
        bool isVoiced = isLast && !_streamer.FinishPiece();
        lock (_gate)
        {
            _isVoiced |= isVoiced;
            _worthACall = _streamer.Wanted;
            NoteUnitEnds();
        }
    }

    /// <summary>Nothing more will be spoken.</summary>
    public void Abandon()
    {
        lock (_gate)
            (_hasAllUnits, _isVoiced) = (true, true);
    }

    public Reply Finish()
    {
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
            UnitEnds = UnitEnds,
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

    /// <summary>The emotion and pitch the model chose are known when its first unit comes.</summary>
    private void TakeUnit(int unit)
    {
        lock (_gate)
        {
            if (_units.Count == 0)
                (_emotion, _pitch) = (_values.GetValueOrDefault(ReplyFormat.ResponseEmotion), _values.GetValueOrDefault(ReplyFormat.ResponsePitch));
            _units.Add(unit);
        }
    }

    /// <summary>Repeated units are spoken as one: they end where the first of them does.</summary>
    private void NoteUnitEnds()
    {
        int end = 0, unit = 0;
        foreach (int samples in _streamer!.SamplesPerUnit)
        {
            end += samples;
            for (int first = unit; unit < _voicedUnits && _units[unit] == _units[first]; unit++)
            {
                if (unit == _unitEnds.Count)
                    _unitEnds.Add(end);
            }
        }
    }

    private SpeechStreamer StartVoice()
    {
        (SpeechStreamer streamer, Style) = _assistant.SpeechParts.StartVoice(_voice, _emotion, _pitch, OnAudio);
        if (_emotion is not null && _pitch is not null)
            _onEvent?.Invoke(new ReplyEvent.AnswerMood(_emotion, _pitch, Style));
        return streamer;
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
        // Whoever takes this piece may ask at once which units are spoken in it.
        lock (_gate)
            NoteUnitEnds();
        _onEvent?.Invoke(new ReplyEvent.AnswerAudio(new AudioClip(samples, _assistant.SpeechParts.SampleRate())));
    }
}
