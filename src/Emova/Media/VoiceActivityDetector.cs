using Emova.Numerics;

namespace Emova.Media;

/// <summary>
/// Finds where somebody speaks in 16 kHz audio that arrives over time. Every 10 ms a spectrum is compared with a noise floor tracked
/// in each band by its minimum over the last seconds (minimum statistics, Martin 2001), which makes a speech probability; and its
/// autocorrelation (divided by that of the window, Boersma 1993) tells voiced sound, without which a noise begins no turn, be it
/// as loud as it likes. Decisions depend on the samples alone: pieces of any size give the same events.
/// </summary>
public sealed class VoiceActivityDetector
{
    /// <summary>Samples per second of the input.</summary>
    public const int SampleRate = 16000;

    /// <summary>Samples from one decision to the next (10 ms).</summary>
    public const int Hop = 160;

    private const int Window = 512;      // 32 ms: two periods of a voice of 63 Hz
    private const int FftLength = 1024;  // the window twice, so that the autocorrelation does not wrap around
    private const int Bins = FftLength / 2 + 1;
    private const int SamplesPerMs = SampleRate / 1000;

    // Bands of equal width on the mel scale. The main lobe of mains hum reaches to 115 Hz in a window of this length; the harmonics of
    // a deeper voice tell enough of it.
    private const int Bands = 14;
    private const double LowestFrequency = 120, HighestFrequency = 6000;

    // Power is averaged over time before it is compared: much for the floor, whose minimum must not be one lucky frame, little for
    // the decision, which would otherwise notice the end of a loud word 200 ms late.
    private const float FloorSmoothing = 0.7f, LevelSmoothing = 0.35f;

    // The floor is the lowest band power of 3 s: longer than a vowel, short enough to forget a fan that was switched on.
    private const int MinimumBlocks = 10, FramesPerBlock = 30;

    // What a band holds at the start (a quiet room at -55 dB below full scale) and at least (-75 dB: digital silence is no measure).
    private const float InitialFloorDb = -55, LowestFloorDb = -75;

    // A band's minimum lies about 4 dB below its mean in steady noise; speech is midway at 9 dB and certain at 15 dB above the floor.
    private const float MidwayDb = 9, SlopeDb = 1.5f, HighestBandDb = 30;

    // A turn begins when half of the last 160 ms is speech and a part of it is voiced: a click is shorter, breath has no pitch.
    private const int OnsetFrames = 16, OnsetSpeech = 8, OnsetVoiced = 4;
    private const float VoicedCorrelation = 0.45f;
    private const double LowestPitch = 63, HighestPitch = 420;

    // Once somebody speaks, a frame has to be clearly below the threshold to count as silence.
    private const float Hysteresis = 0.7f;

    private static readonly RealFft Fft = new(FftLength);
    private static readonly float[] Taper = CreateTaper();
    private static readonly float[] TaperCorrelation = CreateTaperCorrelation();
    private static readonly int[] BandEdges = CreateBandEdges();

    private readonly float[] window = new float[Window];
    private readonly float[] real = new float[Bins];
    private readonly float[] imaginary = new float[Bins];
    private readonly float[] frame = new float[FftLength];
    private readonly float[] smoothed = new float[Bands];
    private readonly float[] level = new float[Bands];
    private readonly float[] minima = new float[MinimumBlocks * Bands]; // (blocks, bands), the current block among them
    private readonly bool[] recentSpeech = new bool[OnsetFrames];
    private readonly bool[] recentVoiced = new bool[OnsetFrames];
    private VoiceActivityOptions options;
    private int pending;          // samples in the window that no frame has seen
    private long frames;
    private long lastSpeechEnd;   // sample after the last frame with speech
    private long earliest;        // sample before which no new turn may begin: the end of the last one

    /// <summary>Begins a stream.</summary>
    /// <exception cref="EmovaException">An option is out of range.</exception>
    public VoiceActivityDetector(VoiceActivityOptions? options = null)
    {
        this.options = (options ?? new VoiceActivityOptions()).Validate();
        Array.Fill(minima, PerBand(InitialFloorDb));
    }

    /// <summary>The settings; they may change in the middle of a stream.</summary>
    /// <exception cref="EmovaException">A value is out of range.</exception>
    public VoiceActivityOptions Options
    {
        get => options;
        set => options = (value ?? throw new ArgumentNullException(nameof(value))).Validate();
    }

    /// <summary>Samples received.</summary>
    public long Position { get; private set; }

    /// <summary>Whether somebody is speaking: a turn began and has not ended.</summary>
    public bool IsSpeaking { get; private set; }

    /// <summary>Length of the silence at the end of what was received, in samples; 0 while nobody speaks.</summary>
    public long TrailingSilence => IsSpeaking ? Math.Max(0, frames * Hop - lastSpeechEnd) : 0;

    /// <summary>Speech probability of the last frame, 0 to 1.</summary>
    public float Probability { get; private set; }

    /// <summary>Adds samples.</summary>
    /// <param name="samples">Mono, full scale = 1.</param>
    /// <param name="found">Receives what was found, in order.</param>
    public void Push(ReadOnlySpan<float> samples, ICollection<VoiceActivityEvent> found)
    {
        ArgumentNullException.ThrowIfNull(found);
        while (!samples.IsEmpty)
        {
            int count = Math.Min(Hop - pending, samples.Length);
            window.AsSpan(count).CopyTo(window);
            samples[..count].CopyTo(window.AsSpan(Window - count));
            samples = samples[count..];
            pending += count;
            Position += count;
            if (pending == Hop)
            {
                pending = 0;
                frames++;
                Decide(found);
            }
        }
    }

    /// <summary>Ends a turn from outside, for instance because the audio so far was taken away; the noise floor is kept.</summary>
    public void EndTurn()
    {
        IsSpeaking = false;
        earliest = Position;
        Array.Clear(recentSpeech);
        Array.Clear(recentVoiced);
    }

    private void Decide(ICollection<VoiceActivityEvent> found)
    {
        Analyze(out float probability, out float correlation);
        Probability = probability;
        long end = frames * Hop;
        int slot = (int)(frames % OnsetFrames);
        recentSpeech[slot] = probability >= options.Threshold;
        recentVoiced[slot] = recentSpeech[slot] && correlation >= VoicedCorrelation;
        if (IsSpeaking)
        {
            if (probability >= options.Threshold * Hysteresis)
                lastSpeechEnd = end;
            else if (end - lastSpeechEnd >= (long)options.SilenceDurationMs * SamplesPerMs)
            {
                EndTurn();
                found.Add(new VoiceActivityEvent(false, end));
            }
        }
        else if (recentSpeech.AsSpan().Count(true) >= OnsetSpeech && recentVoiced.AsSpan().Count(true) >= OnsetVoiced)
        {
            long first = frames;
            for (int age = 0; age < OnsetFrames; age++)
            {
                if (recentSpeech[(frames - age + OnsetFrames) % OnsetFrames])
                    first = frames - age;
            }

            IsSpeaking = true;
            lastSpeechEnd = end;
            long start = (first - 1) * Hop - (long)options.PrefixPaddingMs * SamplesPerMs;
            found.Add(new VoiceActivityEvent(true, Math.Max(earliest, Math.Max(0, start))));
        }
    }

    private void Analyze(out float probability, out float correlation)
    {
        VectorMath.Multiply(window, Taper, frame.AsSpan(0, Window));
        frame.AsSpan(Window).Clear();
        Fft.Forward(frame, real, imaginary);
        VectorMath.Multiply(real, real, real);
        VectorMath.MultiplyAdd(imaginary, imaginary, real); // power (bins)

        // The ring's current block restarts when the oldest is due to be forgotten; the other blocks hold the last seconds.
        int block = (int)(frames / FramesPerBlock % MinimumBlocks);
        Span<float> current = minima.AsSpan(block * Bands, Bands);
        if (frames % FramesPerBlock == 0)
            current.Fill(float.PositiveInfinity);
        float sum = 0, lowest = PerBand(LowestFloorDb);
        for (int band = 0; band < Bands; band++)
        {
            float power = VectorMath.Sum(real.AsSpan(BandEdges[band], BandEdges[band + 1] - BandEdges[band]));
            smoothed[band] += (1 - FloorSmoothing) * (power - smoothed[band]);
            level[band] += (1 - LevelSmoothing) * (power - level[band]);
            current[band] = MathF.Min(current[band], smoothed[band]);
            float floor = float.PositiveInfinity;
            for (int i = band; i < minima.Length; i += Bands)
                floor = MathF.Min(floor, minima[i]);
            sum += Math.Clamp(10 * MathF.Log10((level[band] + lowest) / MathF.Max(floor, lowest)), 0, HighestBandDb);
        }

        probability = 1 / (1 + MathF.Exp((MidwayDb - sum / Bands) / SlopeDb));
        correlation = probability >= options.Threshold ? Periodicity() : 0;
    }

    /// <summary>
    /// The highest normalized autocorrelation at the lags of voices, of magnitudes rather than powers: no single strong component
    /// looks like a voice then. Noises of all colors stay below 0.43, vowels lie at 0.5 to 0.85. Destroys the power spectrum.
    /// </summary>
    private float Periodicity()
    {
        real.AsSpan(0, BandEdges[0]).Clear();
        real.AsSpan(BandEdges[Bands]).Clear();
        for (int i = BandEdges[0]; i < BandEdges[Bands]; i++)
            real[i] = MathF.Sqrt(real[i]);
        Array.Clear(imaginary);
        Fft.Inverse(real, imaginary, frame);
        if (!(frame[0] > 0))
            return 0;
        float best = 0;
        for (int lag = (int)(SampleRate / HighestPitch); lag <= (int)(SampleRate / LowestPitch); lag++)
        {
            // A voice's period is a peak; the flank of lag 0, which every dull noise has, is none.
            if (frame[lag] > frame[lag - 1] && frame[lag] >= frame[lag + 1])
                best = MathF.Max(best, frame[lag] / (frame[0] * TaperCorrelation[lag]));
        }

        return best;
    }

    /// <summary>Power of one band (sum over its bins of a windowed frame) when the signal has this level, spread evenly over the bands.</summary>
    private static float PerBand(float levelDb)
    {
        // Noise of variance v has v times the sum of the squared window in every bin.
        double energy = 0;
        foreach (float value in Taper)
            energy += value * value;
        return (float)(Math.Pow(10, levelDb / 10) * energy * (Bins - 1) / Bands);
    }

    private static float[] CreateTaper()
    {
        float[] taper = new float[Window];
        for (int i = 0; i < Window; i++)
            taper[i] = (float)(0.5 - 0.5 * Math.Cos(2 * Math.PI * (i + 0.5) / Window));
        return taper;
    }

    private static float[] CreateTaperCorrelation()
    {
        float[] correlation = new float[Window / 2 + 1];
        for (int lag = 0; lag < correlation.Length; lag++)
            correlation[lag] = VectorMath.Dot(Taper.AsSpan(0, Window - lag), Taper.AsSpan(lag));
        float power = correlation[0];
        for (int lag = 0; lag < correlation.Length; lag++)
            correlation[lag] /= power;
        return correlation;
    }

    private static int[] CreateBandEdges()
    {
        double low = Scale(LowestFrequency), high = Scale(HighestFrequency);
        int[] edges = new int[Bands + 1];
        for (int i = 0; i <= Bands; i++)
            edges[i] = (int)Math.Round(Frequency(low + (high - low) * i / Bands) * FftLength / SampleRate);
        return edges;

        static double Scale(double hertz) => 1127 * Math.Log(1 + hertz / 700);
        static double Frequency(double mel) => 700 * (Math.Exp(mel / 1127) - 1);
    }
}
