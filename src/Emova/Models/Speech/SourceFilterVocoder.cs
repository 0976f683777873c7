using Emova.Checkpoints;
using Emova.Media;
using Emova.Numerics;

namespace Emova.Models.Speech;

/// <summary>
/// EMOVA-Tiny's unit-to-speech decoder, in the place of the reference's VITS: style-modulated convolutions predict run
/// lengths, pitch, voicing and energy from units, then the two filters of a source-filter synthesizer
/// (<see cref="SourceFilterSynthesis"/>). Everything is convolutional with a finite receptive field, so speech can be
/// streamed while units still arrive, and streamed samples are exactly those of the whole.
/// Weights are read only; every session has its own state.
/// </summary>
public sealed class SourceFilterVocoder : ISpeechDecoder
{
    /// <summary>Samples per second of the output.</summary>
    public const int SampleRate = SourceFilterSynthesis.SampleRate;

    /// <summary>Samples of a frame (10 ms).</summary>
    public const int Hop = SourceFilterSynthesis.Hop;

    internal const float NormEpsilon = 1e-5f;

    // Batch synthesis feeds a session in pieces of this many units, which bounds memory and keeps data in cache.
    private const int BatchPiece = 16;

    private SourceFilterVocoder(VocoderConfig config, WeightLoader weights)
    {
        Config = config;
        Units = new FiniteScalarQuantizer([.. config.Levels]);
        int width = config.HiddenSize;
        UnitEmbedding = weights.GetLinear("unit_embedding", width, config.Levels.Sum());
        Encoder = ConvNeXtStack.Load(weights.Push("encoder"), config, config.EncoderLayers);
        Duration = ConvNeXtStack.Load(weights.Push("duration"), config, config.DurationLayers);
        DurationOutput = weights.GetLinear("duration_output", config.MaxRun, width);
        RunPosition = weights.GetLinear("run_position", width, 2);
        Frame = ConvNeXtStack.Load(weights.Push("frame"), config, config.FrameLayers);
        Prosody = ConvNeXtStack.Load(weights.Push("prosody"), config, config.ProsodyLayers);
        ProsodyOutput = weights.GetLinear("prosody_output", 3, width);
        ProsodyInput = weights.GetLinear("prosody_input", width, 3);
        Decoder = ConvNeXtStack.Load(weights.Push("decoder"), config, config.DecoderLayers);
        Output = weights.GetLinear("output", 2 * SourceFilterSynthesis.Bins, width);
    }

    /// <summary>The dimensions.</summary>
    public VocoderConfig Config { get; }

    int ISpeechDecoder.SampleRate => SampleRate;

    int ISpeechDecoder.StyleDim => Config.StyleDim;

    int ISpeechDecoder.UnitCount => Units.CodebookSize;

    /// <summary>The digits of units.</summary>
    internal FiniteScalarQuantizer Units { get; }

    internal LinearWeight UnitEmbedding { get; }

    internal ConvNeXtStack Encoder { get; }

    internal ConvNeXtStack Duration { get; }

    internal LinearWeight DurationOutput { get; }

    internal LinearWeight RunPosition { get; }

    internal ConvNeXtStack Frame { get; }

    internal ConvNeXtStack Prosody { get; }

    internal LinearWeight ProsodyOutput { get; }

    internal LinearWeight ProsodyInput { get; }

    internal ConvNeXtStack Decoder { get; }

    internal LinearWeight Output { get; }

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="weights">Positioned at the decoder's names (<c>speech_decoder</c> in a model folder).</param>
    public static SourceFilterVocoder Load(VocoderConfig config, WeightLoader weights) => new(config, weights);

    /// <summary>Speaks units.</summary>
    /// <param name="units">Units; repetitions are merged, as run lengths are the vocoder's own business.</param>
    /// <param name="voice">Style and dials, from <see cref="StyleTable.Resolve"/>.</param>
    /// <param name="seed">Seed of the noise in unvoiced sounds.</param>
    /// <exception cref="EmovaException">A unit or a setting is out of range.</exception>
    public VocoderOutput Synthesize(ReadOnlySpan<int> units, VoiceSettings voice, ulong seed = 0) => Run(units, new VocoderSession(this, voice, seed));

    /// <summary>Starts speaking units that arrive over time.</summary>
    /// <param name="voice">Style and dials, from <see cref="StyleTable.Resolve"/>.</param>
    /// <param name="seed">Seed of the noise in unvoiced sounds.</param>
    /// <exception cref="EmovaException">A setting is out of range.</exception>
    public VocoderSession StartSession(VoiceSettings voice, ulong seed = 0) => new(this, voice, seed);

    ISpeechSession ISpeechDecoder.StartSession(VoiceSettings voice, ulong seed) => StartSession(voice, seed);

    /// <summary>Speaks units with some predictions replaced by given values, as in training.</summary>
    /// <param name="units">Units without repetitions.</param>
    /// <param name="voice">Style; the dials apply to what is not given.</param>
    /// <param name="given">The values to use.</param>
    /// <exception cref="ArgumentException">A given array is too short, or units repeat.</exception>
    public VocoderOutput Render(ReadOnlySpan<int> units, VoiceSettings voice, VocoderGivens given)
    {
        given.Validate(units);
        return Run(units, new VocoderSession(this, voice, seed: 0, given));
    }

    private static VocoderOutput Run(ReadOnlySpan<int> units, VocoderSession session)
    {
        List<float> samples = [];
        for (int start = 0; start < units.Length; start += BatchPiece)
            samples.AddRange(session.Push(units.Slice(start, Math.Min(BatchPiece, units.Length - start))));
        samples.AddRange(session.Flush());
        return new VocoderOutput([.. samples], [.. session.FramesPerUnit], new PitchTrack([.. session.Frequencies], [.. session.LogEnergies]));
    }
}
