using System.Globalization;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Stages;

/// <summary>Settings of the stage, configs/training/speech-decoder.yaml.</summary>
public sealed record SpeechDecoderSettings : VocoderSettings
{
    /// <summary>Model configuration with the section <c>speech_decoder_config</c>.</summary>
    public string Model { get; set; } = "configs/models/emova-tiny.json";

    /// <summary>Audio per step, padding included.</summary>
    public double SecondsPerStep { get; set; } = 16;

    /// <summary>Canonical recordings used beside the styled ones.</summary>
    public int CanonicalUtterances { get; set; } = 1500;

    /// <summary>Questions used beside the styled ones; their styles are random, which adds material to every style.</summary>
    public int QuestionUtterances { get; set; } = 1500;

    /// <summary>Longest utterance used, in seconds.</summary>
    public double MaxSeconds { get; set; } = 6;

    public int EvaluationUtterances { get; set; } = 48;
}

/// <summary>Trains the unit-to-speech decoder on styled and canonical recordings, with their true prosody as input to the filters.</summary>
public sealed class SpeechDecoderStage : IDisposable
{
    public const string Name = "speech-decoder";

    private readonly SpeechDecoderSettings _settings;
    private readonly string _runs;
    private readonly TinyCorpus _corpus;
    private readonly SpeechUnitsTable _units;
    private readonly VocoderDimensions _dimensions;
    private readonly SpeechDecoderModel _model;
    private readonly List<Utterance> _training;
    private readonly List<Utterance> _evaluation;
    private readonly Dictionary<string, VocoderExample> _examples = [];
    private readonly LengthBuckets _buckets;
    private readonly SpectralLoss _loss = new();

    public SpeechDecoderStage(SpeechDecoderSettings settings, string data, string runs)
    {
        (_settings, _runs) = (settings, runs);
        _corpus = TinyCorpus.Open(data);
        if (!SpeechUnitsTable.Exists(data)) throw new EmovaException($"{data}: no units/index.jsonl; run `emova-train encode` first");
        _units = SpeechUnitsTable.Open(data);
        _dimensions = VocoderDimensions.Parse(ModelConfig.Section(settings.Model, "speech_decoder_config"));
        random.manual_seed(settings.Seed);
        _model = new SpeechDecoderModel(_dimensions, settings.BrainFloat);
        List<Utterance> Some(string kind, string split, int count) =>
            [.. _corpus.Utterances.Where(u => u.Kind == kind && u.Split == split && u.Samples <= settings.MaxSeconds * TinyCorpus.SampleRate)
                .OrderBy(u => DeterministicRandom.Fraction(u.Id, (ulong)settings.Seed)).Take(count)];
        _training = [.. Some("styled", "train", int.MaxValue), .. Some("canonical", "train", settings.CanonicalUtterances), .. Some("question", "train", settings.QuestionUtterances)];
        _evaluation = [.. Some("styled", "test", settings.EvaluationUtterances)];
        if (_training.Count == 0) throw new EmovaException($"{data}: no styled training speech; run `emova-train data` first");
        _buckets = new LengthBuckets([.. _training.Select(u => u.Samples)], (long)(settings.SecondsPerStep * TinyCorpus.SampleRate), settings.Seed);
    }

    public void Dispose() => _corpus.Dispose();

    /// <summary>Runs the stage; true when it is complete.</summary>
    public bool Run()
    {
        RunFolder folder = _settings.OpenRun(_runs, Name);
        _settings.LoadStart(_runs, _model.Store);
        File.WriteAllText(Path.Combine(folder.Path, "config.yaml"), StageConfig.ToYaml(_settings));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{_training.Count} training utterances, {_training.Sum(u => (long)u.Samples) / 16000.0 / 3600:F2} h; {_evaluation.Count} for evaluation"));
        TrainingLoop loop = new(folder, _model.Store, new AdamW(_model.Store, 0.8, 0.99, _settings.WeightDecay), _settings) { Unit = "s" };
        return loop.Run(Step, Evaluate);
    }

    private StepResult Step(long step)
    {
        VocoderBatch batch = new([.. _buckets.Batch(step).Select(i => Example(_training[i]))], _dimensions);
        Losses losses = Forward(batch);
        Tensor loss = _settings.SpectrumWeight * losses.Spectrum + _settings.MelWeight * losses.Mel + _settings.PitchWeight * losses.Pitch
            + _settings.VoicingWeight * losses.Voicing + _settings.EnergyWeight * losses.Energy + _settings.DurationWeight * losses.Duration;
        return new StepResult(loss, losses.Metrics(), batch.Examples.Sum(e => e.Frames) / 100.0);
    }

    private IEnumerable<KeyValuePair<string, double>> Evaluate(long step)
    {
        using IDisposable inference = no_grad();
        Dictionary<string, double> sums = [];
        int batches = 0;
        foreach (Utterance[] group in _evaluation.OrderBy(u => u.Samples).Chunk(8))
        {
            using DisposeScope scope = NewDisposeScope();
            foreach ((string name, Tensor value) in Forward(new VocoderBatch([.. group.Select(Example)], _dimensions)).Metrics())
                sums["held_out_" + name] = sums.GetValueOrDefault("held_out_" + name) + value.item<float>();
            batches++;
        }
        return sums.Select(pair => new KeyValuePair<string, double>(pair.Key, pair.Value / batches));
    }

    private sealed record Losses(Tensor Spectrum, Tensor Mel, Tensor Pitch, Tensor Voicing, Tensor Energy, Tensor Duration)
    {
        public List<KeyValuePair<string, Tensor>> Metrics() =>
        [
            new("spectrum", Spectrum.detach()), new("mel", Mel.detach()), new("pitch", Pitch.detach()),
            new("voicing", Voicing.detach()), new("energy", Energy.detach()), new("duration", Duration.detach()),
        ];
    }

    private Losses Forward(VocoderBatch batch)
    {
        SourceFilterVocoder vocoder = _model.Vocoder;
        Tensor style = _model.Styles([.. batch.Examples.Select(e => e.Style)]);
        Tensor states = vocoder.EncodeUnits(batch.Units, style, batch.UnitMask);
        Tensor runs = vocoder.RunLengths(states, style, batch.UnitMask);
        Tensor duration = F.cross_entropy(runs.flatten(0, 1), batch.RunClasses.flatten());

        Tensor frames = vocoder.Expand(states, batch.UnitOfFrame, batch.Position, style, batch.FrameMask);
        Tensor prosody = vocoder.Prosody(frames, style, batch.FrameMask);
        Tensor mask = batch.FrameMask.squeeze(2), voiced = batch.Prosody.select(2, 1), valid = mask.sum();
        Tensor pitch = ((prosody.select(2, 0) - batch.Prosody.select(2, 0)).abs() * voiced).sum() / (voiced.sum() + 1);
        Tensor voicing = (F.binary_cross_entropy_with_logits(prosody.select(2, 1), voiced, reduction: nn.Reduction.None) * mask).sum() / valid;
        Tensor energy = ((prosody.select(2, 2) - batch.Prosody.select(2, 2)).abs() * mask).sum() / valid;

        (Tensor harmonic, Tensor noise) = vocoder.Filters(frames, batch.Prosody, style, batch.FrameMask);
        Tensor wave = vocoder.Synthesis.Synthesize(harmonic, noise, batch.Pulses(vocoder.Synthesis), randn_like(batch.Wave));
        wave = wave * mask.repeat_interleave(_dimensions.Hop, 1);
        (Tensor spectrum, Tensor mel) = _loss.Distance(wave, batch.Wave);
        return new Losses(spectrum, mel, pitch, voicing, energy, duration);
    }

    /// <summary>Pitch and energy are measured when an utterance is first needed, and kept; samples are not.</summary>
    private VocoderExample Example(Utterance utterance)
    {
        ReadOnlySpan<short> samples = _corpus.Pcm(utterance);
        if (_examples.TryGetValue(utterance.Id, out VocoderExample? example)) return example with { Wave = VocoderExample.Padded(samples, example.Frames, _dimensions) };
        example = VocoderExample.Create(utterance, samples, _units[utterance.Id], _dimensions);
        _examples[utterance.Id] = example with { Wave = [] };
        return example;
    }
}
