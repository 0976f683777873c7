using Emova.Media;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>What a <see cref="TurnDetector"/> found.</summary>
internal enum TurnChange
{
    /// <summary>Somebody begins to speak.</summary>
    Started,

    /// <summary>A pause that may be the end: what was said so far should be judged (<see cref="TurnDetector.Judge"/>).</summary>
    Paused,

    /// <summary>The turn ended.</summary>
    Stopped,
}

/// <summary>A change of turn at a sample of the 16 kHz stream.</summary>
internal readonly record struct TurnEvent(TurnChange Change, long Sample);

/// <summary>
/// Server and semantic turn detection over 16 kHz audio. The semantic one asks, at a pause, whether the words so far sound finished:
/// then a short silence ends the turn, otherwise only one as long as the eagerness allows. All times are counted in samples.
/// </summary>
internal sealed class TurnDetector
{
    private const int PerMs = VoiceActivityDetector.SampleRate / 1000;

    // A pause of this length is worth a transcription; the gaps within a fluent sentence are shorter.
    private const int PauseMs = 200;

    // The inner detector never ends a semantic turn by itself before the longest wait.
    private const int NeverMs = 60_000;

    private readonly VoiceActivityDetector _activity = new();
    private readonly List<VoiceActivityEvent> _found = [];
    private TurnDetection _settings;
    private bool _pauseReported;
    private bool? _complete;

    public TurnDetector(TurnDetection settings)
    {
        _settings = settings;
        Settings = settings;
    }

    public TurnDetection Settings
    {
        get => _settings;
        set
        {
            _settings = value;
            _activity.Options = value is ServerVad server
                ? new VoiceActivityOptions { Threshold = (float)server.Threshold, PrefixPaddingMs = server.PrefixPaddingMs, SilenceDurationMs = server.SilenceDurationMs }
                : new VoiceActivityOptions { SilenceDurationMs = NeverMs };
        }
    }

    public bool IsSpeaking => _activity.IsSpeaking;

    /// <summary>Samples received.</summary>
    public long Position => _activity.Position;

    /// <summary>Adds 16 kHz samples.</summary>
    public void Push(ReadOnlySpan<float> samples, ICollection<TurnEvent> found)
    {
        while (!samples.IsEmpty)
        {
            // One decision at a time, so that the size of the pieces changes nothing.
            int count = (int)Math.Min(VoiceActivityDetector.Hop - (_activity.Position % VoiceActivityDetector.Hop), samples.Length);
            _found.Clear();
            _activity.Push(samples[..count], _found);
            samples = samples[count..];
            foreach (VoiceActivityEvent change in _found)
            {
                found.Add(new TurnEvent(change.Started ? TurnChange.Started : TurnChange.Stopped, change.Sample));
                Forget();
            }

            if (_settings is SemanticVad && _activity.IsSpeaking)
                Weigh(found);
        }
    }

    /// <summary>The answer to <see cref="TurnChange.Paused"/>: whether the words so far sound finished. Too late when speech went on.</summary>
    public void Judge(bool complete, ICollection<TurnEvent> found)
    {
        if (!_pauseReported)
            return;
        _complete = complete;
        if (_settings is SemanticVad && _activity.IsSpeaking)
            Weigh(found);
    }

    /// <summary>Ends a turn from outside.</summary>
    public void EndTurn()
    {
        _activity.EndTurn();
        Forget();
    }

    private void Weigh(ICollection<TurnEvent> found)
    {
        long silence = _activity.TrailingSilence;
        if (silence < PauseMs * PerMs)
        {
            Forget();
            return;
        }

        if (!_pauseReported)
        {
            _pauseReported = true;
            found.Add(new TurnEvent(TurnChange.Paused, _activity.Position));
        }

        (int finishedMs, int longestMs) = Waits(((SemanticVad)_settings).Eagerness);
        if (silence >= longestMs * PerMs || _complete == true && silence >= finishedMs * PerMs)
        {
            long end = _activity.Position;
            EndTurn();
            found.Add(new TurnEvent(TurnChange.Stopped, end));
        }
    }

    private void Forget() => (_pauseReported, _complete) = (false, null);

    /// <summary>Silence after a finished and after an unfinished sentence; the second one is the protocol's 8, 4 and 2 s.</summary>
    private static (int Finished, int Longest) Waits(string eagerness) => eagerness switch
    {
        "low" => (800, 8000),
        "high" => (300, 2000),
        _ => (500, 4000),
    };
}
