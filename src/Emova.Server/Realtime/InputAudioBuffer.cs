using System.Runtime.InteropServices;
using Emova.Media;
using Emova.Server.Realtime.Wire;

namespace Emova.Server.Realtime;

/// <summary>
/// The audio a client appended and nothing was made of yet, at the model's 16 kHz. Positions are samples since the session began,
/// so that times of events count what was appended and not the clock on the wall.
/// </summary>
internal sealed class InputAudioBuffer(RealtimeLimits limits)
{
    public const int SampleRate = VoiceActivityDetector.SampleRate;

    private const int PerMs = SampleRate / 1000;

    private readonly List<float> _samples = [];
    private Resampler? _resampler;
    private AudioFormat? _format;
    private long _start;
    private double _appendedMs;
    private double _takenMs;

    /// <summary>Position after the last sample.</summary>
    public long End => _start + _samples.Count;

    /// <summary>Length of what is in the buffer, by what was appended: the resampler holds a few samples back.</summary>
    public double Milliseconds => _appendedMs - _takenMs;

    public static long ToMs(long position) => position / PerMs;

    /// <summary>Adds audio.</summary>
    /// <returns>The new samples at 16 kHz.</returns>
    public float[] Append(ReadOnlySpan<byte> bytes, AudioFormat format)
    {
        if (format != _format)
        {
            _format = format;
            _resampler = format.SampleRate == SampleRate ? null : new Resampler(format.SampleRate, SampleRate);
        }

        float[] samples = AudioCodec.Decode(bytes, format);
        _appendedMs += 1000.0 * samples.Length / format.SampleRate;
        float[] added = _resampler?.Push(samples) ?? samples;
        _samples.AddRange(added);
        return added;
    }

    /// <summary>A copy of a stretch that stays in the buffer.</summary>
    public AudioClip Peek(long from, long to) => new(Slice(from, to).ToArray(), SampleRate);

    /// <summary>Takes a stretch out; everything before its end leaves the buffer.</summary>
    public AudioClip Take(long from, long to)
    {
        AudioClip clip = Peek(from, to);
        Drop(to);
        return clip;
    }

    /// <summary>Everything in the buffer, to its last sample.</summary>
    /// <param name="flushed">Samples that the resampler had held back; they count as received.</param>
    public AudioClip TakeAll(out int flushed)
    {
        float[] rest = _resampler?.Flush() ?? [];
        (_resampler, _format, flushed) = (null, null, rest.Length);
        _samples.AddRange(rest);
        AudioClip clip = Take(_start, End);
        _takenMs = _appendedMs;
        return clip;
    }

    /// <summary>Forgets what is older than the limit for audio that nobody speaks in.</summary>
    public void TrimIdle()
    {
        long most = (long)(limits.Idle.TotalSeconds * SampleRate);
        // Half a limit at a time: moving the rest for every piece would cost more than it frees.
        if (_samples.Count > most + (most / 2))
            Drop(End - most);
    }

    private void Drop(long to)
    {
        int count = (int)(Math.Clamp(to, _start, End) - _start);
        _samples.RemoveRange(0, count);
        _start += count;
        _takenMs = Math.Min(_appendedMs, Math.Max(_takenMs, _appendedMs - ((double)_samples.Count / PerMs)));
    }

    private ReadOnlySpan<float> Slice(long from, long to)
    {
        long first = Math.Clamp(from, _start, End), last = Math.Clamp(to, first, End);
        return CollectionsMarshal.AsSpan(_samples).Slice((int)(first - _start), (int)(last - first));
    }
}
