using System.Numerics;
using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// Sample rate conversion by a polyphase filter: a sinc of 6 zero crossings on each side under a squared cosine (Hann)
/// window, cut off at 0.99 of the lower Nyquist frequency. The formula is that of torchaudio's <c>sinc_interp_hann</c>
/// with its default width and roll-off, so that features match models trained behind it. An instance is one stream:
/// pushing a signal in pieces gives exactly the samples of pushing it at once.
/// </summary>
public sealed class Resampler
{
    private const int ZeroCrossings = 6;
    private const double RollOff = 0.99;

    private readonly int from; // both rates divided by their greatest common divisor
    private readonly int to;
    private readonly int width;
    private readonly int taps;
    private readonly int[] firstTap;   // per phase
    private readonly float[] kernels;  // (to, taps)

    private float[] history;           // input from position `historyStart`; position 0 is the first input sample
    private int historyLength;
    private long historyStart;
    private long received;
    private long produced;
    private bool flushed;

    /// <summary>Prepares the filter for one stream.</summary>
    /// <param name="fromRate">Input rate in Hz, 1 to 768000.</param>
    /// <param name="toRate">Output rate in Hz, 1 to 768000.</param>
    public Resampler(int fromRate, int toRate)
    {
        CheckRate(fromRate, nameof(fromRate));
        CheckRate(toRate, nameof(toRate));
        int divisor = (int)BigInteger.GreatestCommonDivisor(fromRate, toRate);
        (from, to) = (fromRate / divisor, toRate / divisor);

        double cutoff = Math.Min(from, to) * RollOff;
        width = (int)Math.Ceiling(ZeroCrossings * from / cutoff);
        taps = 2 * width + 1;
        firstTap = new int[to];
        kernels = new float[checked(to * taps)];
        for (int phase = 0; phase < to; phase++)
        {
            // Output sample `phase` of a period lies at phase * from / to input samples; taps outside its window are zero.
            firstTap[phase] = (int)Math.Floor((double)phase * from / to) - width;
            for (int tap = 0; tap < taps; tap++)
            {
                double t = ((double)(firstTap[phase] + tap) / from - (double)phase / to) * cutoff;
                if (Math.Abs(t) >= ZeroCrossings) continue;
                double window = Math.Cos(t * Math.PI / ZeroCrossings / 2);
                double sinc = t == 0 ? 1 : Math.Sin(t * Math.PI) / (t * Math.PI);
                kernels[phase * taps + tap] = (float)(sinc * window * window * cutoff / from);
            }
        }

        history = new float[4 * taps];
        historyLength = width; // zeros before the first sample
        historyStart = -width;
    }

    /// <summary>Converts a whole signal of N samples to ceil(N * toRate / fromRate) samples.</summary>
    public static float[] Resample(ReadOnlySpan<float> samples, int fromRate, int toRate)
    {
        if (fromRate == toRate) return samples.ToArray();
        Resampler resampler = new(fromRate, toRate);
        float[] head = resampler.Push(samples);
        float[] tail = resampler.Flush();
        return tail.Length == 0 ? head : [.. head, .. tail];
    }

    /// <summary>Adds input and returns the output samples that are determined by what has been received.</summary>
    /// <exception cref="InvalidOperationException">The stream was flushed.</exception>
    public float[] Push(ReadOnlySpan<float> samples)
    {
        if (flushed) throw new InvalidOperationException("the stream was flushed");
        received += samples.Length;
        return Advance(samples, long.MaxValue);
    }

    /// <summary>Ends the stream and returns the remaining samples; the total is ceil(N * toRate / fromRate).</summary>
    public float[] Flush()
    {
        if (flushed) return [];
        flushed = true;
        long total = (received * to + from - 1) / from;
        return Advance(new float[width + 1], total);
    }

    private static void CheckRate(int rate, string name)
    {
        if (rate is < 1 or > 768000) throw new ArgumentOutOfRangeException(name, rate, "sample rates are 1 to 768000 Hz");
    }

    private float[] Advance(ReadOnlySpan<float> samples, long limit)
    {
        if (historyLength + samples.Length > history.Length)
            Array.Resize(ref history, (int)Math.Max(2L * history.Length, historyLength + samples.Length));
        samples.CopyTo(history.AsSpan(historyLength));
        historyLength += samples.Length;

        long available = historyStart + historyLength;
        long last = Math.Min(limit, LastComputable(available));
        float[] output = new float[last - produced];
        for (int i = 0; i < output.Length; i++)
        {
            (long period, long phase) = Math.DivRem(produced + i, to);
            int offset = (int)(period * from + firstTap[phase] - historyStart);
            output[i] = VectorMath.Dot(history.AsSpan(offset, taps), kernels.AsSpan((int)phase * taps, taps));
        }

        produced += output.Length;
        long keepFrom = Math.Min(produced / to * from + firstTap[produced % to], available);
        int drop = (int)(keepFrom - historyStart);
        if (drop > 0)
        {
            history.AsSpan(drop, historyLength - drop).CopyTo(history);
            historyLength -= drop;
            historyStart = keepFrom;
        }

        return output;
    }

    /// <summary>Number of output samples whose windows end before input position <paramref name="available"/>.</summary>
    private long LastComputable(long available)
    {
        long count = produced;
        while (count / to * from + firstTap[count % to] + taps <= available) count++;
        return count;
    }
}
