using System.Numerics.Tensors;
using Emova.Media;

namespace Emova.Server.Audio;

/// <summary>A part of a recording.</summary>
/// <param name="Clip">Its sound.</param>
/// <param name="Start">Where it begins, in seconds.</param>
/// <param name="SpeechStart">Where its speech begins, in seconds of the recording.</param>
/// <param name="SpeechEnd">Where its speech ends, in seconds of the recording.</param>
internal sealed record SpeechSegment(AudioClip Clip, double Start, double SpeechStart, double SpeechEnd);

/// <summary>Cuts long recordings where they are quietest, so that each part fits the model.</summary>
internal static class SpeechSegments
{
    /// <summary>Longest part in seconds; about 500 units.</summary>
    public const double MaxSeconds = 20;

    private const double FrameSeconds = 0.04;

    // Relative to the loudest frame: 30 dB below it is silence or noise in clean speech.
    private const double SilenceRatio = 0.001;

    public static IReadOnlyList<SpeechSegment> Cut(AudioClip recording)
    {
        int frame = Math.Max(1, (int)(FrameSeconds * recording.SampleRate)), longest = (int)(MaxSeconds / FrameSeconds);
        double[] energies = new double[(recording.Samples.Length + frame - 1) / frame];
        for (int i = 0; i < energies.Length; i++)
            energies[i] = TensorPrimitives.SumOfSquares(recording.Samples.AsSpan(i * frame, Math.Min(frame, recording.Samples.Length - i * frame)));
        List<SpeechSegment> segments = [];
        for (int start = 0; start < energies.Length;)
        {
            int end = energies.Length - start <= longest ? energies.Length : Quietest(energies, start + longest / 2, start + longest);
            segments.Add(Segment(recording, energies, frame, start, end));
            start = end;
        }

        return segments;
    }

    private static int Quietest(double[] energies, int from, int to)
    {
        int best = from;
        for (int i = from; i < to; i++)
        {
            if (energies[i] < energies[best])
                best = i;
        }

        return best;
    }

    private static SpeechSegment Segment(AudioClip recording, double[] energies, int frame, int start, int end)
    {
        double silence = SilenceRatio * energies.AsSpan(start, end - start).ToArray().Max();
        int first = start, last = end - 1;
        while (first < last && energies[first] <= silence)
            first++;
        while (last > first && energies[last] <= silence)
            last--;
        int from = start * frame, to = Math.Min(end * frame, recording.Samples.Length);
        double Seconds(long sample) => Math.Min(sample, recording.Samples.Length) / (double)recording.SampleRate;
        return new SpeechSegment(new AudioClip(recording.Samples[from..to], recording.SampleRate), Seconds(from), Seconds((long)first * frame), Seconds((last + 1L) * frame));
    }
}
