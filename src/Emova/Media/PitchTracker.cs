using System.Numerics.Tensors;

namespace Emova.Media;

/// <summary>Fundamental frequency and energy of a recording, one value per 10 ms frame.</summary>
/// <param name="Frequency">Hz for voiced frames, 0 for unvoiced ones. Shape (T).</param>
/// <param name="LogEnergy">Natural logarithm of the frame's root mean square (full scale = 1), floor -11.5. Shape (T).</param>
public sealed record PitchTrack(float[] Frequency, float[] LogEnergy)
{
    /// <summary>Number of frames T.</summary>
    public int Frames => Frequency.Length;
}

/// <summary>What <see cref="PitchTracker"/> looks for.</summary>
public sealed record PitchTrackerOptions
{
    /// <summary>Lowest frequency considered, in Hz; 40 to <see cref="MaxFrequency"/>.</summary>
    public float MinFrequency { get; init; } = 55f;

    /// <summary>Highest frequency considered, in Hz; at most 1000.</summary>
    public float MaxFrequency { get; init; } = 500f;

    /// <summary>Correlation (0 to 1) below which a frame is rather unvoiced.</summary>
    public float VoicingThreshold { get; init; } = 0.5f;

    /// <summary>
    /// Where the speaker's pitch is known to lie (Hz). Candidates outside pay per octave of distance, which settles octave
    /// doubts without excluding anything. Null: no expectation.
    /// </summary>
    public (float Low, float High)? Expected { get; init; }

    /// <summary>Sample at the middle of frame 0; frame t is centered 160 t samples later.</summary>
    public int FirstCenter { get; init; } = 80;
}

/// <summary>
/// Pitch by normalized cross-correlation of 16 kHz speech, with the path through the candidates of all frames chosen by
/// dynamic programming so that single frames do not jump an octave.
/// </summary>
public sealed class PitchTracker
{
    /// <summary>Samples per second of the input.</summary>
    public const int SampleRate = 16000;

    /// <summary>Samples per frame (10 ms).</summary>
    public const int Hop = 160;

    private const int CorrelationWindow = 320;
    private const int EnergyWindow = 400;
    private const int MaxCandidates = 8;
    private const float MinLogEnergy = -11.5f;

    // Costs are in units of correlation. A period's multiple correlates as well as the period, so longer lags pay a little.
    private const float OctaveCost = 0.03f;
    private const float OctaveJumpCost = 0.4f;
    private const float VoicingChangeCost = 0.12f;
    private const float ExpectationCost = 0.25f;

    // A frame this far below the loudest one is silence even if it is periodic (hum, decaying room).
    private const float SilenceRatio = 0.02f;

    private static readonly float[] LowPass = DesignLowPass(cutoff: 1600, taps: 31);
    private static readonly float[] EnergyTaper = NormalizedHann(EnergyWindow);

    private readonly PitchTrackerOptions _options;
    private readonly int _minLag;
    private readonly int _maxLag;

    /// <summary>Creates a tracker; it keeps no state between recordings and can be shared by threads.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A frequency limit is outside its range.</exception>
    public PitchTracker(PitchTrackerOptions? options = null)
    {
        _options = options ?? new PitchTrackerOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MinFrequency, 40f, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.MaxFrequency, 1000f, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(_options.MinFrequency, _options.MaxFrequency, nameof(options));
        _minLag = (int)MathF.Floor(SampleRate / _options.MaxFrequency);
        _maxLag = (int)MathF.Ceiling(SampleRate / _options.MinFrequency);
    }

    /// <summary>Tracks mono 16 kHz samples (full scale 1). The result has ceil(samples / 160) frames.</summary>
    public PitchTrack Track(ReadOnlySpan<float> samples)
    {
        int frames = (samples.Length + Hop - 1) / Hop;
        var energy = new float[frames];
        if (frames == 0) return new PitchTrack([], energy);

        int margin = CorrelationWindow + _maxLag + EnergyWindow;
        var signal = new float[samples.Length + 2 * margin];
        samples.CopyTo(signal.AsSpan(margin));
        for (int t = 0; t < frames; t++)
            energy[t] = LogEnergyAt(signal, margin + Center(t));

        float[] filtered = Filter(signal);
        float[] power = PrefixPower(filtered, out double[] prefix);
        float loudest = 0;
        for (int t = 0; t < frames; t++)
            loudest = MathF.Max(loudest, power[margin + Center(t)]);

        var candidates = new Candidate[frames][];
        var correlation = new float[_maxLag + 2];
        for (int t = 0; t < frames; t++)
        {
            int center = margin + Center(t);
            Correlate(filtered, prefix, center, correlation);
            float relative = loudest > 0 ? MathF.Sqrt(power[center] / loudest) : 0;
            candidates[t] = FindCandidates(correlation, relative);
        }

        return new PitchTrack(BestPath(candidates), energy);
    }

    private int Center(int frame) => frame * Hop + _options.FirstCenter;

    private static float LogEnergyAt(float[] signal, int center)
    {
        int start = Math.Clamp(center - EnergyWindow / 2, 0, signal.Length - EnergyWindow);
        double sum = 0;
        for (int i = 0; i < EnergyWindow; i++)
        {
            double value = signal[start + i];
            sum += value * value * EnergyTaper[i];
        }
        return MathF.Max(MinLogEnergy, 0.5f * (float)Math.Log(sum + 1e-20));
    }

    /// <summary>Low-passes so that breath and frication do not hide the periodicity of the first harmonics.</summary>
    private static float[] Filter(float[] signal)
    {
        var result = new float[signal.Length];
        int half = LowPass.Length / 2;
        for (int i = half; i < signal.Length - half; i++)
            result[i] = TensorPrimitives.Dot(signal.AsSpan(i - half, LowPass.Length), LowPass);
        return result;
    }

    /// <summary>Mean power around every sample, and the running sum of squares it comes from.</summary>
    private static float[] PrefixPower(float[] signal, out double[] prefix)
    {
        prefix = new double[signal.Length + 1];
        for (int i = 0; i < signal.Length; i++)
            prefix[i + 1] = prefix[i] + (double)signal[i] * signal[i];
        var power = new float[signal.Length];
        const int half = CorrelationWindow / 2;
        for (int i = half; i < signal.Length - half; i++)
            power[i] = (float)((prefix[i + half] - prefix[i - half]) / CorrelationWindow);
        return power;
    }

    /// <summary>Correlation of two windows placed symmetrically about the center, for every lag.</summary>
    private void Correlate(float[] signal, double[] prefix, int center, float[] correlation)
    {
        for (int lag = Math.Max(1, _minLag - 1); lag <= _maxLag + 1; lag++)
        {
            int start = center - (CorrelationWindow + lag) / 2;
            double first = prefix[start + CorrelationWindow] - prefix[start];
            double second = prefix[start + lag + CorrelationWindow] - prefix[start + lag];
            float product = TensorPrimitives.Dot<float>(signal.AsSpan(start, CorrelationWindow), signal.AsSpan(start + lag, CorrelationWindow));
            double norm = Math.Sqrt(first * second);
            correlation[lag] = norm > 1e-9 ? (float)(product / norm) : 0;
        }
    }

    private readonly record struct Candidate(float Frequency, float Strength);

    /// <summary>Element 0 is "unvoiced"; the others are the strongest peaks.</summary>
    private Candidate[] FindCandidates(float[] correlation, float relativeLevel)
    {
        float silence = MathF.Max(0, 1 - relativeLevel / SilenceRatio);
        var found = new List<Candidate> { new(0, _options.VoicingThreshold + silence) };
        for (int lag = Math.Max(2, _minLag); lag <= _maxLag; lag++)
        {
            float left = correlation[lag - 1], peak = correlation[lag], right = correlation[lag + 1];
            if (peak < 0.2f || peak < left || peak <= right) continue;
            float curvature = left - 2 * peak + right;
            float shift = curvature < 0 ? 0.5f * (left - right) / curvature : 0;
            float height = peak - 0.25f * (left - right) * shift;
            float frequency = SampleRate / (lag + shift);
            found.Add(new Candidate(frequency, height - OctaveCost * MathF.Log2(_options.MaxFrequency / frequency) - Surprise(frequency)));
        }

        if (found.Count > MaxCandidates + 1)
        {
            found.Sort(1, found.Count - 1, Comparer<Candidate>.Create((a, b) => b.Strength.CompareTo(a.Strength)));
            found.RemoveRange(MaxCandidates + 1, found.Count - MaxCandidates - 1);
        }
        return [.. found];
    }

    private float Surprise(float frequency)
    {
        if (_options.Expected is not { } expected) return 0;
        if (frequency < expected.Low) return ExpectationCost * MathF.Log2(expected.Low / frequency);
        return frequency > expected.High ? ExpectationCost * MathF.Log2(frequency / expected.High) : 0;
    }

    private static float[] BestPath(Candidate[][] candidates)
    {
        int frames = candidates.Length;
        var from = new int[frames][];
        float[] score = [.. candidates[0].Select(candidate => candidate.Strength)];
        for (int t = 1; t < frames; t++)
        {
            Candidate[] previous = candidates[t - 1], current = candidates[t];
            var next = new float[current.Length];
            from[t] = new int[current.Length];
            for (int j = 0; j < current.Length; j++)
            {
                float best = float.NegativeInfinity;
                for (int i = 0; i < previous.Length; i++)
                {
                    float value = score[i] - TransitionCost(previous[i].Frequency, current[j].Frequency);
                    if (value <= best) continue;
                    best = value;
                    from[t][j] = i;
                }
                next[j] = best + current[j].Strength;
            }
            score = next;
        }

        var frequency = new float[frames];
        int choice = Array.IndexOf(score, score.Max());
        for (int t = frames - 1; t >= 0; t--)
        {
            frequency[t] = candidates[t][choice].Frequency;
            if (t > 0) choice = from[t][choice];
        }
        return frequency;
    }

    private static float TransitionCost(float from, float to)
    {
        if (from == 0 && to == 0) return 0;
        if (from == 0 || to == 0) return VoicingChangeCost;
        return OctaveJumpCost * MathF.Abs(MathF.Log2(to / from));
    }

    private static float[] DesignLowPass(float cutoff, int taps)
    {
        var filter = new float[taps];
        int half = taps / 2;
        float sum = 0;
        for (int i = 0; i < taps; i++)
        {
            double x = 2 * cutoff / SampleRate * (i - half);
            double sinc = i == half ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);
            filter[i] = (float)(sinc * (0.54 + 0.46 * Math.Cos(Math.PI * (i - half) / half)));
            sum += filter[i];
        }
        for (int i = 0; i < taps; i++) filter[i] /= sum;
        return filter;
    }

    private static float[] NormalizedHann(int length)
    {
        var window = new float[length];
        for (int i = 0; i < length; i++)
            window[i] = (float)((1 - Math.Cos(2 * Math.PI * (i + 0.5) / length)) / length); // sums to 1
        return window;
    }
}
