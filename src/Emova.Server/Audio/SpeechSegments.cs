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
            segments.Add(Segment(recording, start * frame, Math.Min(end * frame, recording.Samples.Length)));
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

    private static SpeechSegment Segment(AudioClip recording, int from, int to)
    {
        AudioClip part = recording with { Samples = recording.Samples[from..to] };
        (int first, int end) = SilenceTrimmer.Find(part);
        double Seconds(int sample) => sample / (double)recording.SampleRate;
        return new SpeechSegment(part, Seconds(from), Seconds(from + first), Seconds(from + end));
    }
}
