using Emova.Models.Speech;

namespace Emova.Generation;

/// <summary>
/// Turns units into audio while the model still writes them. Units are handed to the vocoder in small groups: one by one would
/// cost a model call each, and the vocoder looks ahead over more units than a group holds anyway.
/// </summary>
internal sealed class SpeechStreamer
{
    private const int GroupSize = 6;

    private readonly ISpeechSession _session;
    private readonly Action<float[]> _onAudio;
    private readonly int[] _group = new int[GroupSize];
    private int _count;

    /// <param name="vocoder">Speaks.</param>
    /// <param name="voice">Style and dials.</param>
    /// <param name="seed">Seed of the noise in the voice.</param>
    /// <param name="onAudio">Called with each piece of audio; never empty.</param>
    public SpeechStreamer(ISpeechDecoder vocoder, VoiceSettings voice, ulong seed, Action<float[]> onAudio)
    {
        _session = vocoder.StartSession(voice, seed);
        _onAudio = onAudio;
    }

    public void Push(int unit)
    {
        _group[_count++] = unit;
        if (_count == GroupSize)
            PushGroup();
    }

    /// <summary>Speaks what is left; nothing may follow.</summary>
    public void Finish()
    {
        PushGroup();
        foreach (float[] piece in _session.Finish())
            Report(piece);
    }

    private void PushGroup()
    {
        Report(_session.Push(_group.AsSpan(0, _count)));
        _count = 0;
    }

    private void Report(float[] samples)
    {
        if (samples.Length > 0)
            _onAudio(samples);
    }
}
