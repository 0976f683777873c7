using System.Globalization;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Modules.Speech;
using Emova.Training.Stages;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;
using SourceFilterVocoder = Emova.Training.Modules.Speech.SourceFilterVocoder;

namespace Emova.Training.Voices;

/// <summary>What is known of the speaker when training ends.</summary>
/// <param name="Gender">The register that is the speaker's own.</param>
/// <param name="MedianPitch">Hz.</param>
/// <param name="TrainingSeconds">Recordings trained on.</param>
/// <param name="HeldOutSeconds">Recordings kept for evaluation.</param>
/// <param name="Metrics">Last evaluation on the recordings kept.</param>
public sealed record OwnVoiceResult(string Gender, double MedianPitch, double TrainingSeconds, double HeldOutSeconds, IReadOnlyList<KeyValuePair<string, double>> Metrics);

/// <summary>
/// Teaches the shipped voice to sound like a new speaker from recordings without transcripts: their units come from the model's own
/// speech encoder, pitch and energy are measured. The unit encoder, the frame stack and the style vectors stay as they are; run
/// lengths, prosody and filters are trained, in the speaker's plain manner on the recordings themselves and in all 24 styles on what
/// <see cref="StyleTransfer"/> makes of them.
/// </summary>
public sealed class OwnVoiceStage
{
    private const string RunName = "training";

    // Middle between the shipped voices' pitches, 108 and 174 Hz, on the logarithmic scale.
    private const double RegisterBorder = 137;
    private const int StylesPerRegister = 12;
    private static readonly string[] Trained = ["duration", "prosody", "decoder", "output"];

    private readonly OwnVoiceSettings _settings;
    private readonly string _output;
    private readonly string _recordings;
    private readonly ShippedVoice _shipped;
    private readonly SourceFilterVocoder _voice;
    private readonly ParameterStore _store;
    private readonly StyleTransfer _transfer;
    private readonly SpectralLoss _loss = new();
    private readonly VocoderExample[] _training;
    private readonly VocoderExample[] _evaluation;
    private readonly LengthBuckets _buckets;
    private readonly int _register; // of the speaker: 0 or 1, as in VoiceStyle.Genders
    private readonly double _medianPitch;

    /// <summary>Measures the recordings and prepares the voice.</summary>
    /// <param name="settings">Settings.</param>
    /// <param name="shipped">The voice to start from.</param>
    /// <param name="recordings">The speaker.</param>
    /// <param name="gender">The speaker's register; null to take it from the pitch.</param>
    /// <param name="output">Folder of the voice.</param>
    /// <exception cref="EmovaException">There are too few recordings.</exception>
    public OwnVoiceStage(OwnVoiceSettings settings, ShippedVoice shipped, RecordingFolder recordings, string? gender, string output)
    {
        if (settings.HoldOut < 2) throw new EmovaException($"hold_out {settings.HoldOut}: expected 2 or more");
        if (recordings.Seconds < settings.MinimumSeconds)
        {
            throw new EmovaException(string.Create(CultureInfo.InvariantCulture,
                $"only {recordings.Seconds:0} s of usable speech; at least {settings.MinimumSeconds:0} s are needed, three minutes are better"));
        }

        (_settings, _shipped, _output, _recordings) = (settings, shipped, output, recordings.Fingerprint);
        float[][] waves = [.. recordings.Pieces.Select(piece => piece.Samples)];
        _medianPitch = MedianPitch(waves);
        _register = gender is null ? (_medianPitch >= RegisterBorder ? 0 : 1) : VoiceStyle.Genders.ToList().IndexOf(gender);
        VocoderExample[] examples = [.. waves.Select(Measure)];
        _training = [.. examples.Where((_, i) => i % settings.HoldOut != settings.HoldOut - 1)];
        _evaluation = [.. examples.Where((_, i) => i % settings.HoldOut == settings.HoldOut - 1)];
        if (_evaluation.Length == 0) _evaluation = [_training[^1]];
        random.manual_seed(settings.Seed);
        _transfer = new StyleTransfer(shipped.Copy(settings.BrainFloat).Vocoder);
        (_voice, _store) = shipped.Copy(settings.BrainFloat);
        _buckets = new LengthBuckets([.. _training.Select(example => example.Wave.Length)], (long)(settings.SecondsPerStep * RecordingFolder.SampleRate), settings.Seed);
    }

    /// <summary>Index into <see cref="VoiceStyle.All"/> of the plain style of a register.</summary>
    private static int Plain(int register) => VoiceStyle.All.ToList().IndexOf(new VoiceStyle(VoiceStyle.Genders[register], "neutral", "normal"));

    /// <summary>The trained weights.</summary>
    public ParameterStore Store => _store;

    /// <summary>The speaker's register.</summary>
    public string Gender => VoiceStyle.Genders[_register];

    /// <summary>Trains; null when it was interrupted and can go on.</summary>
    /// <param name="writeSamples">Called with the step after each evaluation: writes something to listen to.</param>
    public OwnVoiceResult? Run(Action<long> writeSamples)
    {
        RunFolder folder = new(_output, RunName);
        RequireSameRecordings(folder.Path);
        File.WriteAllText(Path.Combine(folder.Path, "config.yaml"), StageConfig.ToYaml(_settings));
        AdamW optimizer = new(_store, 0.8, 0.99, _settings.WeightDecay) { RateFactor = name => Trained.Any(part => name.StartsWith(part, StringComparison.Ordinal)) ? 1 : 0 };
        bool finished = new TrainingLoop(folder, _store, optimizer, _settings) { Unit = "s" }.Run(Step, step =>
        {
            List<KeyValuePair<string, double>> metrics = Evaluate();
            writeSamples(step);
            return metrics;
        });
        if (!finished) return null;
        return new OwnVoiceResult(Gender, _medianPitch, Seconds(_training), Seconds(_evaluation), QuietHeap.Run(Evaluate));
    }

    /// <summary>Units of a recording that was not trained on, to listen to.</summary>
    public int[] SampleUnits => _evaluation[0].Units;

    private static double Seconds(IEnumerable<VocoderExample> examples) => examples.Sum(example => example.Frames) / 100.0;

    /// <summary>A run that goes on must go on with the recordings it began with.</summary>
    private void RequireSameRecordings(string folder)
    {
        string path = Path.Combine(folder, "recordings.txt");
        if (File.Exists(path) && File.ReadAllText(path) != _recordings)
            throw new EmovaException($"{folder}: was begun with other recordings; delete the folder to start anew");
        File.WriteAllText(path, _recordings);
    }

    private StepResult Step(long step)
    {
        Random generator = new(TrainingLoop.StepSeed(_settings.Seed, step));
        VocoderBatch batch = new([.. _buckets.Batch(step).Select(i => _training[i])], _shipped.Dimensions);
        int register = generator.NextDouble() < _settings.OwnRegisterShare ? _register : 1 - _register;
        long[] styles = [.. batch.Examples.Select(_ => (long)(register * StylesPerRegister + generator.Next(StylesPerRegister)))];
        Tensor own = Style(batch, Plain(_register)), plain = Style(batch, Plain(register)), styled = _shipped.Styles.index_select(0, tensor(styles));
        (ShippedView Own, ShippedView Plain, ShippedView Styled) views;
        using (no_grad()) views = (_transfer.View(batch, own), _transfer.View(batch, plain), _transfer.View(batch, styled));

        (Tensor filters, Losses losses) = Recorded(batch, views.Own);
        Tensor prosody, runs, harmonicTarget, noiseTarget;
        using (no_grad())
        {
            prosody = StyleTransfer.Prosody(batch, views.Own, views.Styled);
            runs = _transfer.RunTargets(batch, views.Own, views.Styled);
            (Tensor harmonicStyled, Tensor noiseStyled) = _transfer.Filters(batch, views.Styled, StyleTransfer.AsShipped(batch, views.Own, prosody));
            (Tensor harmonicPlain, Tensor noisePlain) = _transfer.Filters(
                batch, views.Plain, StyleTransfer.AsShipped(batch, views.Own, StyleTransfer.Prosody(batch, views.Own, views.Plain)));
            int bins = (int)harmonicPlain.shape[2];
            harmonicTarget = filters.narrow(2, 0, bins).detach().Plus(harmonicStyled).Minus(harmonicPlain);
            noiseTarget = filters.narrow(2, bins, bins).detach().Plus(noiseStyled).Minus(noisePlain);
        }

        Losses transferred = Spoken(batch, views.Styled, prosody, runs);
        (Tensor harmonic, Tensor noise) = _voice.Filters(views.Styled.Frames, prosody, styled, batch.FrameMask);
        Tensor voiced = batch.Prosody.narrow(2, 1, 1);
        Tensor style = Masked(harmonic.Minus(harmonicTarget).abs().mean([2L], keepdim: true), voiced).Plus(Masked(noise.Minus(noiseTarget).abs().mean([2L], keepdim: true), batch.FrameMask));
        Tensor loss = losses.Spectrum!.Times(_settings.SpectrumWeight).Plus(losses.Mel!.Times(_settings.MelWeight)).Plus(style.Times(_settings.StyleWeight))
            .Plus(Weighted(losses)).Plus(Weighted(transferred));
        return new StepResult(loss, [.. losses.Named(), new("style", style.detach())], batch.Examples.Sum(e => e.Frames) / 100.0);
    }

    private Tensor Weighted(Losses losses) => losses.Pitch.Times(_settings.PitchWeight).Plus(losses.Voicing.Times(_settings.VoicingWeight))
        .Plus(losses.Energy.Times(_settings.EnergyWeight)).Plus(losses.Duration.Times(_settings.DurationWeight));

    private sealed record Losses(Tensor Pitch, Tensor Voicing, Tensor Energy, Tensor Duration)
    {
        public Tensor? Spectrum { get; init; }

        public Tensor? Mel { get; init; }

        public IEnumerable<KeyValuePair<string, Tensor>> Named() =>
        [
            new("spectrum", Spectrum!.detach()), new("mel", Mel!.detach()), new("pitch", Pitch.detach()),
            new("voicing", Voicing.detach()), new("energy", Energy.detach()), new("duration", Duration.detach()),
        ];
    }

    /// <summary>The recordings themselves, in the speaker's plain style: filters side by side (B, T, 2 bins), and all losses.</summary>
    private (Tensor Filters, Losses Losses) Recorded(VocoderBatch batch, ShippedView view)
    {
        Tensor runs;
        using (no_grad()) runs = _transfer.RunTargets(batch, view, view);
        Losses losses = Spoken(batch, view, batch.Prosody, runs);
        (Tensor harmonic, Tensor noise) = _voice.Filters(view.Frames, batch.Prosody, view.Style, batch.FrameMask);
        Tensor wave = _voice.Synthesis.Synthesize(harmonic, noise, batch.Pulses(_voice.Synthesis), randn_like(batch.Wave));
        wave = wave.mul(batch.FrameMask.squeeze(2).repeat_interleave(_shipped.Dimensions.Hop, 1));
        (Tensor spectrum, Tensor mel) = _loss.Distance(wave, batch.Wave);
        return (cat([harmonic, noise], 2), losses with { Spectrum = spectrum, Mel = mel });
    }

    /// <summary>Prosody and run lengths in a style against what they should be.</summary>
    private Losses Spoken(VocoderBatch batch, ShippedView view, Tensor wanted, Tensor runs)
    {
        Tensor prosody = _voice.Prosody(view.Frames, view.Style, batch.FrameMask), voiced = wanted.narrow(2, 1, 1);
        Tensor pitch = Masked(prosody.narrow(2, 0, 1).Minus(wanted.narrow(2, 0, 1)).abs(), voiced);
        Tensor voicing = Masked(F.binary_cross_entropy_with_logits(prosody.narrow(2, 1, 1), voiced, reduction: nn.Reduction.None), batch.FrameMask);
        Tensor energy = Masked(prosody.narrow(2, 2, 1).Minus(wanted.narrow(2, 2, 1)).abs(), batch.FrameMask);
        Tensor duration = Masked(F.log_softmax(_voice.RunLengths(view.States, view.Style, batch.UnitMask), -1).mul(runs).sum(-1, keepdim: true).Times(-1), batch.UnitMask);
        return new Losses(pitch, voicing, energy, duration);
    }

    private static Tensor Masked(Tensor values, Tensor mask) => values.mul(mask).sum().div(mask.sum().Plus(1e-3));

    private Tensor Style(VocoderBatch batch, int style) => _shipped.Styles.narrow(0, style, 1).expand(batch.Examples.Count, _shipped.Dimensions.StyleDim);

    private List<KeyValuePair<string, double>> Evaluate()
    {
        using IDisposable inference = no_grad();
        random.manual_seed(_settings.Seed);
        Dictionary<string, double> sums = [];
        VocoderExample[][] groups = [.. _evaluation.OrderBy(example => example.Frames).Chunk(8)];
        foreach (VocoderExample[] group in groups)
        {
            using DisposeScope scope = NewDisposeScope();
            VocoderBatch batch = new(group, _shipped.Dimensions);
            foreach ((string name, Tensor value) in Recorded(batch, _transfer.View(batch, Style(batch, Plain(_register)))).Losses.Named())
                sums["held_out_" + name] = sums.GetValueOrDefault("held_out_" + name) + value.item<float>();
        }

        return [.. sums.Select(pair => new KeyValuePair<string, double>(pair.Key, pair.Value / groups.Length))];
    }

    private static double MedianPitch(IEnumerable<float[]> waves)
    {
        PitchTracker tracker = new();
        float[] voiced = [.. waves.SelectMany(wave => tracker.Track(wave).Frequency).Where(f => f > 0).Order()];
        return voiced.Length == 0 ? throw new EmovaException("no voiced speech in the recordings") : voiced[voiced.Length / 2];
    }

    /// <summary>Units, run lengths, pitch and energy of a piece.</summary>
    private VocoderExample Measure(float[] wave)
    {
        VocoderDimensions dimensions = _shipped.Dimensions;
        int[] units = _shipped.Speech.Encode(new AudioClip(wave, RecordingFolder.SampleRate));
        int frames = units.Length * dimensions.FramesPerUnit;
        PitchTrack track = new PitchTracker(new PitchTrackerOptions { Expected = ((float)(0.65 * _medianPitch), (float)(1.6 * _medianPitch)) }).Track(wave);
        (int[] collapsed, int[] runs) = SpeechUnits.Collapse(units);
        float[] padded = wave[..Math.Min(wave.Length, frames * dimensions.Hop)];
        Array.Resize(ref padded, frames * dimensions.Hop);
        return new VocoderExample(collapsed, runs, Plain(_register), padded, Fit(track.Frequency, 0), Fit(track.LogEnergy, VocoderExample.Silence));

        float[] Fit(float[] values, float missing) => [.. values.Take(frames), .. Enumerable.Repeat(missing, Math.Max(0, frames - values.Length))];
    }
}
