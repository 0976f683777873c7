using Emova.Models.Speech;

namespace Emova.Generation;

/// <summary>
/// Turns units into audio while the model still writes them. Units are handed to the vocoder in small groups: one by one would
/// cost a model call each, and the vocoder looks ahead over more units than a group holds anyway.
/// </summary>
/// <param name="vocoder">Speaks.</param>
/// <param name="voice">Style and dials.</param>
/// <param name="seed">Seed of the noise in the voice.</param>
/// <param name="onAudio">Called with each piece of audio; never empty.</param>
internal sealed class SpeechStreamer(ISpeechDecoder vocoder, VoiceSettings voice, ulong seed, Action<float[]> onAudio)
{
    /// <summary>Units worth a call of the vocoder.</summary>
    public const int GroupSize = 6;

    private readonly ISpeechSession _session = vocoder.StartSession(voice, seed);
    private IEnumerator<float[]>? _rest;

    /// <summary>Speaks units, as far as what follows them does not matter.</summary>
    public void Push(ReadOnlySpan<int> units) => Report(_session.Push(units));

    /// <summary>Speaks a piece of what is left; no units may follow.</summary>
    /// <returns>False when there is nothing left.</returns>
    public bool FinishPiece()
    {
        _rest ??= _session.Finish().GetEnumerator();
        if (!_rest.MoveNext())
        {
            _rest.Dispose();
            return false;
        }

        Report(_rest.Current);
        return true;
    }

    private void Report(float[] samples)
    {
        if (samples.Length > 0)
            onAudio(samples);
    }
}
