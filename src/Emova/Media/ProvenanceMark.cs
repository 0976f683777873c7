using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// A mark in generated speech that tells a program that a machine spoke. Time and frequency are divided into cells of 32 ms and 200 Hz
/// between 300 and 5900 Hz; each cell is made louder or softer by <see cref="StrengthDb"/>, as a fixed pseudo-random pattern says that repeats every
/// 4.1 s. The loudness of neighboring cells differs by several decibels from word to word, so nobody hears a single one; over seconds the
/// differences that follow the pattern add up and everything else cancels. The mark needs no header and survives what keeps the sound of
/// the speech: copies through the air excepted, conversion, telephone coding, noise, cutting and loudness (the tests say how much of each).
/// The pattern is public, therefore the mark shows honest origin and is no protection against someone who wants to remove or forge it.
/// </summary>
public static class ProvenanceMark
{
    /// <summary>Change of a cell in decibels.</summary>
    public const double StrengthDb = 1;

    /// <summary>
    /// Score from which a recording counts as marked, in standard deviations: of all shifts of the pattern, 1024, the best one is taken, and
    /// chance reaches this in one of some hundred thousand recordings.
    /// </summary>
    public const double Threshold = 5.5;

    internal const double CellSeconds = 0.032, LowestHz = 300, BandHz = 200;
    internal const int Bands = 28, Period = 128;

    private const int Rate = 16_000, Window = 256, Hop = 64, HopsPerCell = 8, Neighbors = 2;

    // A cell whose difference from its neighbors is larger than that is the beginning or end of a sound.
    private const double MostDb = 4;

    // Cells that much below the loudest hold nothing that was marked.
    private const double RangeDb = 60;

    /// <summary>Looks for the mark.</summary>
    /// <param name="clip">A recording of any sample rate; with less than a second there is nothing to find.</param>
    /// <returns>The score; <see cref="Threshold"/> or more means that the mark is there. Without a mark it is about 3.</returns>
    public static double Score(AudioClip clip)
    {
        ArgumentNullException.ThrowIfNull(clip);
        float[] samples = clip.SampleRate == Rate ? clip.Samples : Resampler.Resample(clip.Samples, clip.SampleRate, Rate);
        double[][] power = Power(samples);
        double best = 0;
        for (int shift = 0; shift < HopsPerCell && shift + (2 * HopsPerCell) <= power.Length; shift++)
        {
            double[,] differences = Differences(power, shift);
            for (int offset = 0; offset < Period; offset++)
                best = Math.Max(best, Correlate(differences, offset));
        }

        return best;
    }

    /// <summary>+1 where a cell is louder, -1 where it is softer.</summary>
    internal static int Sign(int cell, int band)
    {
        // SplitMix64 of the cell's number; the constant in front is arbitrary and must never change.
        ulong x = 0x454D4F5641UL + ((ulong)((cell * Bands) + band) * 0x9E3779B97F4A7C15UL);
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return ((x ^ (x >> 31)) & 1) == 0 ? 1 : -1;
    }

    /// <summary>Power of each band in each hop.</summary>
    private static double[][] Power(float[] samples)
    {
        RealFft fft = new(Window);
        float[] frame = new float[Window], real = new float[fft.Bins], imaginary = new float[fft.Bins];
        double[][] power = new double[Math.Max(0, ((samples.Length - Window) / Hop) + 1)][];
        for (int t = 0; t < power.Length; t++)
        {
            for (int i = 0; i < Window; i++)
                frame[i] = samples[(t * Hop) + i] * (0.5f - (0.5f * MathF.Cos(2 * MathF.PI * i / Window)));
            fft.Forward(frame, real, imaginary);
            power[t] = new double[Bands];
            for (int k = 0; k < fft.Bins; k++)
            {
                int band = BandOf((double)k * Rate / Window);
                if (band >= 0)
                    power[t][band] += ((double)real[k] * real[k]) + ((double)imaginary[k] * imaginary[k]);
            }
        }

        return power;
    }

    internal static int BandOf(double hertz)
    {
        int band = (int)Math.Floor((hertz - LowestHz) / BandHz);
        return hertz >= LowestHz && band < Bands ? band : -1;
    }

    /// <summary>(cells, bands): how much louder in decibels each cell is than the cells of its band before and after it, beyond what the bands beside it do at the same time.</summary>
    private static double[,] Differences(double[][] power, int shift)
    {
        int cells = (power.Length - shift) / HopsPerCell;
        double[,] level = new double[cells, Bands];
        double loudest = double.NegativeInfinity;
        for (int cell = 0; cell < cells; cell++)
        {
            for (int band = 0; band < Bands; band++)
            {
                double sum = 1e-30;
                for (int i = 0; i < HopsPerCell; i++)
                    sum += power[shift + (cell * HopsPerCell) + i][band];
                level[cell, band] = 10 * Math.Log10(sum);
                loudest = Math.Max(loudest, level[cell, band]);
            }
        }

        double[,] differences = new double[cells, Bands];
        Span<double> change = stackalloc double[Bands];
        for (int cell = 1; cell < cells - 1; cell++)
        {
            for (int band = 0; band < Bands; band++)
                change[band] = level[cell, band] - (0.5 * (level[cell - 1, band] + level[cell + 1, band]));
            for (int band = 0; band < Bands; band++)
            {
                if (level[cell, band] > loudest - RangeDb)
                    differences[cell, band] = Math.Clamp(change[band] - Beside(change, band), -MostDb, MostDb);
            }
        }

        return differences;
    }

    /// <summary>The mean of the bands beside one: sounds begin and end in many bands at once, the pattern does not.</summary>
    private static double Beside(ReadOnlySpan<double> change, int band)
    {
        int first = Math.Max(0, band - Neighbors), last = Math.Min(Bands - 1, band + Neighbors);
        double sum = -change[band];
        for (int other = first; other <= last; other++)
            sum += change[other];
        return sum / (last - first);
    }

    /// <summary>
    /// The sum of differences times signs over its standard deviation: signs are as good as random, so for a recording without the mark
    /// this is a normal variable whatever the recording is.
    /// </summary>
    private static double Correlate(double[,] differences, int offset)
    {
        double sum = 0, squares = 0;
        for (int cell = 0; cell < differences.GetLength(0); cell++)
        {
            for (int band = 0; band < Bands; band++)
            {
                double difference = differences[cell, band];
                sum += difference * Sign((cell + offset) % Period, band);
                squares += difference * difference;
            }
        }

        return squares == 0 ? 0 : sum / Math.Sqrt(squares);
    }
}
