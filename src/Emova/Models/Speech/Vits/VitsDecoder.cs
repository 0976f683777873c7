using Emova.Checkpoints;
using Emova.Media;

namespace Emova.Models.Speech.Vits;

/// <summary>
/// EMOVA's unit-to-speech decoder (arXiv 2409.18042): VITS (arXiv 2106.06103) with speech units in the place of text and a style
/// vector in the place of a speaker. Units -> <see cref="UnitEncoder"/> -> durations drawn from a flow -> prior frames ->
/// <see cref="ResidualCouplingFlow"/> backwards -> <see cref="HiFiGanGenerator"/>.
/// Everything behind the durations is convolutional and runs on a stream: samples come out while later frames are not yet
/// computed, and are exactly those of the whole.
/// </summary>
public sealed class VitsDecoder : ISpeechDecoder
{
    // A prior frame reaches the samples only together with its neighbors (45 frames to the right); pieces this long keep the
    // generator's first stage efficient and its buffers in the cache.
    private const int PieceFrames = 32;

    // Three hours. Only damaged weights ask for more.
    private const int MaximumFrames = 1 << 20;

    private readonly UnitEncoder unitEncoder;
    private readonly IDurationPredictor durations;
    private readonly StyleEncoder? styleEncoder;

    private VitsDecoder(VitsConfig config, WeightLoader weights)
    {
        Config = config;
        unitEncoder = new UnitEncoder(weights.Push("enc_p"), config);
        durations = config.UseStochasticDurations
            ? new StochasticDurationPredictor(weights.Push("dp"), config)
            : new DurationPredictor(weights.Push("dp"), config);
        Flow = new ResidualCouplingFlow(weights.Push("flow"), config);
        Generator = new HiFiGanGenerator(weights.Push("dec"), config);
        PosteriorEncoder = new PosteriorEncoder(weights.Push("enc_q"), config);
        styleEncoder = config.HasStyleEncoder ? new StyleEncoder(weights.Push("enc_r"), config) : null;
        // The table of training speakers; styles took its place.
        if (config.SpeakerCount > 0) weights.Expect("emb_g.weight", config.SpeakerCount, config.StyleDim);
    }

    /// <summary>The dimensions.</summary>
    public VitsConfig Config { get; }

    /// <inheritdoc/>
    public int SampleRate => Config.SampleRate;

    /// <inheritdoc/>
    public int StyleDim => Config.StyleDim;

    /// <inheritdoc/>
    public int UnitCount => Config.UnitCount;

    internal UnitEncoder UnitEncoder => unitEncoder;

    internal IDurationPredictor Durations => durations;

    internal ResidualCouplingFlow Flow { get; }

    internal HiFiGanGenerator Generator { get; }

    internal PosteriorEncoder PosteriorEncoder { get; }

    internal StyleEncoder? StyleEncoder => styleEncoder;

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the decoder's names (<c>decoder</c> in the speech tokenizer's repository).</param>
    public static VitsDecoder Load(VitsConfig config, WeightLoader weights) => new(config, weights);

    /// <summary>Speaks units as they are: the reference's training data had no repetitions, but they are not merged here.</summary>
    /// <param name="units">Units, 0 to <see cref="UnitCount"/> - 1.</param>
    /// <param name="options">Style, noise and speed.</param>
    /// <returns>Samples, <see cref="VitsConfig.SamplesPerFrame"/> per frame.</returns>
    /// <exception cref="EmovaException">A unit or an option is out of range.</exception>
    public float[] Synthesize(ReadOnlySpan<int> units, VitsOptions options)
    {
        List<float> samples = [];
        foreach (float[] piece in Stream(units.ToArray(), options)) samples.AddRange(piece);
        return [.. samples];
    }

    /// <summary>Like <see cref="Synthesize"/>, piece by piece; each piece is computed when it is asked for.</summary>
    public IEnumerable<float[]> Stream(int[] units, VitsOptions options)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(StyleDim);
        RequireUnits(units);
        return units.Length == 0 ? [] : Stream(Plan(units, options), options);
    }

    /// <inheritdoc/>
    public ISpeechSession StartSession(VoiceSettings voice, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(voice);
        if (voice.PitchShift != 0) throw new EmovaException($"this speech decoder has no pitch shift (asked for {voice.PitchShift}); choose a style with another pitch");
        VitsOptions options = new() { Style = voice.StyleVector, Speed = voice.Speed, Seed = seed };
        options.Validate(StyleDim);
        return new VitsSession(this, options);
    }

    /// <summary>The style of a recording, for speaking like it.</summary>
    /// <param name="recording">Speech at any sample rate.</param>
    /// <returns>A vector of length 1.</returns>
    /// <exception cref="EmovaException">The model has no style encoder, or the recording is too short.</exception>
    public float[] EncodeStyle(AudioClip recording)
    {
        ArgumentNullException.ThrowIfNull(recording);
        if (styleEncoder is null) throw new EmovaException("this speech decoder has no style encoder");
        float[] samples = recording.SampleRate == SampleRate ? recording.Samples : Resampler.Resample(recording.Samples, recording.SampleRate, SampleRate);
        return styleEncoder.Encode(new LinearSpectrogram(Config.FftLength, Config.HopLength).Compute(samples));
    }

    /// <summary>Checks that every unit is in the table.</summary>
    internal void RequireUnits(ReadOnlySpan<int> units)
    {
        foreach (int unit in units)
        {
            if ((uint)unit >= (uint)UnitCount) throw new EmovaException($"speech unit {unit} is out of range, allowed are 0 to {UnitCount - 1}");
        }
    }

    /// <summary>Units to what the frames are made of.</summary>
    internal VitsPlan Plan(ReadOnlySpan<int> units, VitsOptions options, ActivationProbe? probe = null)
    {
        int[] rows = new int[units.Length];
        for (int t = 0; t < rows.Length; t++) rows[t] = Config.FirstUnitRow + units[t];
        EncodedUnits encoded = unitEncoder.Encode(rows, probe);
        float[] logDurations = durations.LogDurations(encoded.Hidden, options.Style, options.DurationNoise(units.Length));
        int[] frames = new int[units.Length];
        long total = 0;
        for (int t = 0; t < frames.Length; t++)
        {
            float wanted = MathF.Ceiling(MathF.Exp(logDurations[t]) / options.Speed);
            if (!((total += (long)Math.Min(wanted, MaximumFrames)) <= MaximumFrames) || float.IsNaN(wanted))
                throw new EmovaException($"the speech decoder wants {wanted} frames for unit {t} of {units.Length}: its weights are damaged");
            frames[t] = (int)wanted;
        }

        return new VitsPlan(encoded, logDurations, frames);
    }

    /// <summary>Frames of a plan to samples; each piece is computed when it is asked for.</summary>
    internal IEnumerable<float[]> Stream(VitsPlan plan, VitsOptions options)
    {
        ResidualCouplingFlow.Stream flow = Flow.StartReverse(options.Style);
        HiFiGanGenerator.Stream generator = Generator.Start(options.Style);
        int frames = plan.FrameCount, latentLimit = Math.Min(options.MaximumFrames ?? int.MaxValue, frames), latents = 0;
        float[] prior = new float[PieceFrames * Config.InterChannels];
        for (int start = 0; start < frames; start += PieceFrames)
        {
            int count = Math.Min(PieceFrames, frames - start);
            Span<float> rows = prior.AsSpan(0, count * Config.InterChannels);
            plan.Prior(start, rows, options);
            ReadOnlySpan<float> z = flow.Push(rows, last: start + count == frames);
            int ready = Math.Min(z.Length / Config.InterChannels, latentLimit - latents);
            latents += ready;
            float[] piece = generator.Push(z[..(ready * Config.InterChannels)], last: latents == latentLimit);
            if (piece.Length > 0) yield return piece;
            if (latents == latentLimit) yield break;
        }
    }
}
