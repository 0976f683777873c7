using Emova.Models.Speech;

namespace Emova.Generation;

/// <summary>
/// Turns units into audio while the model still writes them. Units are handed to the vocoder in groups: one by one would cost a call
/// each. Groups are small until the first sample is out, then each is half as large again as the one before: the pause that a group
/// takes to be written is covered by the audio of the one before if the model writes 1.5 times as fast as it speaks.
/// </summary>
/// <param name="vocoder">Speaks.</param>
/// <param name="voice">Style and dials.</param>
/// <param name="seed">Seed of the noise in the voice.</param>
/// <param name="onAudio">Called with each piece of audio; never empty.</param>
internal sealed class SpeechStreamer(ISpeechDecoder vocoder, VoiceSettings voice, ulong seed, Action<float[]> onAudio)
{
    /// <summary>Units worth the first call of the vocoder.</summary>
    public const int FirstGroup = 2;

    private const int LargestGroup = 24;

    private readonly ISpeechSession _session = vocoder.StartSession(voice, seed);
    private IEnumerator<float[]>? _rest;

    /// <summary>Units worth the next call of the vocoder.</summary>
    public int Wanted { get; private set; } = FirstGroup;

    /// <summary>Samples of each unit whose duration is known, repetitions merged.</summary>
    public IEnumerable<int> SamplesPerUnit => _session.FramesPerUnit.Select(frames => frames * _session.SamplesPerFrame);

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
        if (samples.Length == 0)
            return;
        Wanted = Math.Min(LargestGroup, Wanted + (Wanted + 1) / 2);
        onAudio(samples);
    }
}
