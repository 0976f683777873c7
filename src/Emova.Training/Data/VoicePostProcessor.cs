namespace Emova.Training.Data;

/// <summary>Turns flite's raw samples into a style: brightness, saturation, level, and equal silence at both ends.</summary>
public static class VoicePostProcessor
{
    private const int SampleRate = TinyCorpus.SampleRate;
    private const double ReferenceRms = 0.1; // -20 dBFS
    private const double ShelfFrequency = 2500;
    private const double DriveGain = 3;

    public static short[] Apply(ReadOnlySpan<short> samples, ProsodySettings settings)
    {
        double[] x = new double[samples.Length];
        for (int i = 0; i < x.Length; i++)
            x[i] = samples[i] / 32768.0;
        Scale(x, ReferenceRms);
        x = Trim(x);
        if (settings.ShelfDecibels != 0)
            HighShelf(x, settings.ShelfDecibels);
        if (settings.Drive)
        {
            Scale(x, ReferenceRms);
            for (int i = 0; i < x.Length; i++)
                x[i] = Math.Tanh(DriveGain * x[i]) / DriveGain;
        }
        Scale(x, ReferenceRms * Math.Pow(10, settings.LevelDecibels / 20));
        return Pad(x, SampleRate * 6 / 100, SampleRate * 8 / 100);
    }

    private static void Scale(double[] x, double rms)
    {
        double energy = 0;
        foreach (double v in x)
            energy += v * v;
        if (energy == 0)
            return;
        double gain = rms / Math.Sqrt(energy / x.Length);
        for (int i = 0; i < x.Length; i++)
            x[i] *= gain;
    }

    /// <summary>Cuts leading and trailing 10 ms windows below -52 dBFS (the signal is at -20).</summary>
    private static double[] Trim(double[] x)
    {
        const int window = SampleRate / 100;
        const double threshold = 0.0025;
        bool Loud(int start)
        {
            double energy = 0;
            for (int i = start; i < start + window; i++)
                energy += x[i] * x[i];
            return Math.Sqrt(energy / window) > threshold;
        }

        int first = 0;
        while (first + window <= x.Length && !Loud(first))
            first += window;
        int last = x.Length;
        while (last - window >= first && !Loud(last - window))
            last -= window;
        return x[first..last];
    }

    /// <summary>Second-order high shelf, after Bristow-Johnson's cookbook, slope 0.7.</summary>
    private static void HighShelf(double[] x, double decibels)
    {
        double a = Math.Pow(10, decibels / 40);
        double w = 2 * Math.PI * ShelfFrequency / SampleRate;
        double alpha = Math.Sin(w) / 2 * Math.Sqrt(((a + (1 / a)) * ((1 / 0.7) - 1)) + 2);
        double cos = Math.Cos(w), root = 2 * Math.Sqrt(a) * alpha;
        double b0 = a * (a + 1 + ((a - 1) * cos) + root);
        double b1 = -2 * a * (a - 1 + ((a + 1) * cos));
        double b2 = a * (a + 1 + ((a - 1) * cos) - root);
        double a0 = a + 1 - ((a - 1) * cos) + root;
        double a1 = 2 * (a - 1 - ((a + 1) * cos));
        double a2 = a + 1 - ((a - 1) * cos) - root;
        double x1 = 0, x2 = 0, y1 = 0, y2 = 0;
        for (int i = 0; i < x.Length; i++)
        {
            double y = ((b0 * x[i]) + (b1 * x1) + (b2 * x2) - (a1 * y1) - (a2 * y2)) / a0;
            (x2, x1, y2, y1) = (x1, x[i], y1, y);
            x[i] = y;
        }
    }

    private static short[] Pad(double[] x, int before, int after)
    {
        short[] padded = new short[before + x.Length + after];
        for (int i = 0; i < x.Length; i++)
            padded[before + i] = (short)Math.Clamp(Math.Round(x[i] * 32768), short.MinValue, short.MaxValue);
        return padded;
    }
}
