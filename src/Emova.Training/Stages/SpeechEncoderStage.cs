using Emova.Evaluation.Metrics;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Stages;

/// <summary>Settings of the stage, configs/training/speech-encoder.yaml.</summary>
public sealed record SpeechEncoderSettings : LoopSettings
{
    /// <summary>Model configuration with the section <c>speech_encoder_config</c>.</summary>
    public string Model { get; set; } = "configs/models/emova-tiny.json";

    /// <summary>Audio per step (padding included) while there is one view, and with two.</summary>
    public double SecondsPerStep { get; set; } = 48;

    public double SecondsPerStepTwoViews { get; set; } = 28;

    public double Dropout { get; set; } = 0.1;

    public double WeightDecay { get; set; } = 0.01;

    /// <summary>Weight of the CTC loss taken before the quantizer.</summary>
    public double AuxiliaryWeight { get; set; } = 0.5;

    /// <summary>Shares of the run: quantization is mixed in from the first to the second.</summary>
    public double QuantizeFrom { get; set; } = 0.08;

    public double QuantizeFully { get; set; } = 0.22;

    /// <summary>Shares of the run: two views and smoothness start, and reach their full weights.</summary>
    public double ConsistencyFrom { get; set; } = 0.25;

    public double ConsistencyFully { get; set; } = 0.5;

    /// <summary>Weight of the distance between the two views' values before rounding.</summary>
    public double ConsistencyWeight { get; set; } = 1.5;

    /// <summary>Weight of the distance between neighboring units' values before rounding.</summary>
    public double SmoothnessWeight { get; set; } = 0.2;

    /// <summary>
    /// Run whose units are kept: disguised recordings of the own voices must get the values that run gives the plain ones, so that voice and
    /// language model need not learn other units while the encoder learns strangers. Replaces the second view. Null = none.
    /// </summary>
    public string? TeacherFrom { get; set; }

    /// <summary>Weight of the distance to the teacher's values before rounding.</summary>
    public double TeacherWeight { get; set; } = 1;

    /// <summary>With a teacher: share of the steps on plain recordings, which keep the units of undisguised speech.</summary>
    public double PlainShare { get; set; } = 0.25;

    /// <summary>Share of the canonical recordings used in training: all have one voice and one style.</summary>
    public double CanonicalShare { get; set; } = 0.5;

    /// <summary>Utterances per evaluation group.</summary>
    public int EvaluationUtterances { get; set; } = 120;

    public AugmentationSettings Augmentation { get; set; } = new();
}

/// <summary>
/// Trains the speech-to-unit encoder with CTC on phones. Once it recognizes phones, a second disguised view of each
/// utterance and a smoothness term make the units depend on what is said rather than on how, and change rarely.
/// </summary>
public sealed class SpeechEncoderStage : IDisposable
{
    public const string Name = "speech-encoder";

    private readonly SpeechEncoderSettings _settings;
    private readonly TinyCorpus _corpus;
    private readonly string _runs;
    private readonly List<Utterance> _training;
    private readonly Dictionary<string, List<Utterance>> _evaluation;
    private readonly SpeechEncoderModel _model;
    private readonly SpeechEncoderModel? _teacher;
    private readonly Tensor _auxiliaryWeight;
    private readonly Tensor _auxiliaryBias;
    private readonly SpeechAugmentation _augmentation;
    private readonly SpeechAugmentation _plain;
    private readonly LengthBuckets _oneView;
    private readonly LengthBuckets _twoViews;

    public SpeechEncoderStage(SpeechEncoderSettings settings, string data, string runs)
    {
        (_settings, _runs) = (settings, runs);
        _corpus = TinyCorpus.Open(data);
        random.manual_seed(settings.Seed);
        _model = SpeechEncoderModel.Create(settings.Model, _corpus.Phones, settings.Dropout);
        ParameterScope auxiliary = _model.Store.Root.Push(SpeechEncoderModel.AuxiliaryName);
        _auxiliaryWeight = auxiliary.Normal("weight", 1 / Math.Sqrt(_model.Encoder.Width), _corpus.Phones.Count + 1, _model.Encoder.Width);
        _auxiliaryBias = auxiliary.Full("bias", 0, _corpus.Phones.Count + 1);
        _augmentation = new SpeechAugmentation(settings.Augmentation, _model.FrontEnd, _model.Dimensions.Features);
        _plain = new SpeechAugmentation(
            new() { Rate = 0, VocalTract = 0, Stretch = 0, Noise = 0, Echo = 0, Floor = 0, Smear = 0, TimeMask = 0, BandMask = 0 }, _model.FrontEnd, _model.Dimensions.Features);
        _teacher = settings.TeacherFrom is null ? null : SpeechEncoderModel.Load(settings.Model, runs, settings.TeacherFrom);
        _training = [.. _corpus.Utterances.Where(u => u.Split == "train" && u.Kind != "unseen" && u.Phones.Count > 0 && Keep(u))];
        if (_training.Count == 0) throw new EmovaException($"{data}: no training speech; run `emova-train data` first");
        _evaluation = new()
        {
            ["seen"] = Spaced(u => u.Split == "validation" && u.Kind != "unseen"),
            ["unseen"] = Spaced(u => u.Kind == "unseen"),
        };
        int[] lengths = [.. _training.Select(u => u.Samples)];
        _oneView = new LengthBuckets(lengths, (long)(settings.SecondsPerStep * TinyCorpus.SampleRate), settings.Seed);
        _twoViews = new LengthBuckets(lengths, (long)(settings.SecondsPerStepTwoViews * TinyCorpus.SampleRate), settings.Seed + 1);
    }

    public void Dispose() => _corpus.Dispose();

    /// <summary>Runs the stage; true when it is complete.</summary>
    public bool Run()
    {
        RunFolder folder = _settings.OpenRun(_runs, Name);
        _settings.LoadStart(_runs, _model.Store);
        File.WriteAllText(Path.Combine(folder.Path, "config.yaml"), StageConfig.ToYaml(_settings));
        File.WriteAllLines(Path.Combine(folder.Path, SpeechEncoderModel.PhonesFile), _corpus.Phones);
        Console.WriteLine($"{_training.Count} training utterances, {_training.Sum(u => (long)u.Samples) / 16000.0 / 3600:F2} h, {_corpus.Phones.Count} phones; " +
            string.Join(", ", _evaluation.Select(group => $"{group.Value.Count} {group.Key}")));
        TrainingLoop loop = new(folder, _model.Store, new AdamW(_model.Store, weightDecay: _settings.WeightDecay), _settings) { Unit = "s" };
        return loop.Run(Step, Evaluate);
    }

    private StepResult Step(long step)
    {
        double progress = (double)step / _settings.TotalBatches;
        Random random = new(TrainingLoop.StepSeed(_settings.Seed, step));
        bool twoViews = _teacher is null && progress >= _settings.ConsistencyFrom;
        Utterance[] batch = [.. (twoViews ? _twoViews : _oneView).Batch(step).Select(i => _training[i])];
        float[][] waves = [.. batch.Select(u => SpeechEncoderModel.Wave(_corpus.Pcm(u)))];
        int[] frames = _augmentation.StretchedFrames(waves, random);

        SpeechAugmentation augmentation = _teacher is not null && random.NextDouble() < _settings.PlainShare ? _plain : _augmentation;
        Tensor features = augmentation.View(waves, frames, random);
        if (twoViews)
        {
            features = cat([features, _augmentation.View(waves, frames, random)], 0);
            batch = [.. batch, .. batch];
            frames = [.. frames, .. frames];
        }
        int[] units = [.. frames.Select(SpiralEncoder.Units)];

        Tensor states = _model.Encoder.Encode(features, frames);
        Tensor bounded = _model.Encoder.Bounded(states);
        Tensor quantized = Mix(bounded, Ramp(progress, _settings.QuantizeFrom, _settings.QuantizeFully), random);
        Tensor ctc = Ctc(_model.Encoder.Phones(quantized, units), batch, units);
        Tensor auxiliary = Ctc(F.linear(states, _auxiliaryWeight, _auxiliaryBias), batch, units);
        Tensor loss = ctc + _settings.AuxiliaryWeight * auxiliary;
        List<KeyValuePair<string, Tensor>> metrics = [new("ctc", ctc.detach()), new("auxiliary_ctc", auxiliary.detach())];
        if (twoViews)
        {
            double weight = Ramp(progress, _settings.ConsistencyFrom, _settings.ConsistencyFully);
            long half = bounded.shape[0] / 2, time = bounded.shape[1];
            Tensor mask = LogMelFrontEnd.Mask(units, time).unsqueeze(2); // (B, U, 1)
            Tensor valid = mask.narrow(0, 0, half);
            Tensor consistency = ((bounded.narrow(0, 0, half) - bounded.narrow(0, half, half)).abs() * valid).sum() / (valid.sum() * 4);
            Tensor inside = mask.narrow(1, 1, time - 1);
            Tensor smoothness = ((bounded.narrow(1, 1, time - 1) - bounded.narrow(1, 0, time - 1)).abs() * inside).sum() / (inside.sum() * 4);
            loss = loss + weight * (_settings.ConsistencyWeight * consistency + _settings.SmoothnessWeight * smoothness);
            metrics.Add(new("consistency", consistency.detach()));
            metrics.Add(new("smoothness", smoothness.detach()));
        }
        if (_teacher is not null && Array.Exists(batch, IsOwnVoice))
        {
            using IDisposable noGrad = no_grad();
            Tensor wanted = _teacher.Encoder.Bounded(_teacher.Encoder.Encode(_plain.View(waves, frames, random), frames)); // (B, U, digits)
            float[] own = [.. batch.Select(u => IsOwnVoice(u) ? 1f : 0f)];
            Tensor mask = LogMelFrontEnd.Mask(units, bounded.shape[1]).unsqueeze(2) * tensor(own, own.Length, 1, 1);
            metrics.Add(new("same_units", ((bounded.round() == wanted.round()).all(2, keepdim: true).to(ScalarType.Float32) * mask).sum() / mask.sum()));
            using IDisposable grad = enable_grad();
            Tensor distance = ((bounded - wanted).abs() * mask).sum() / (mask.sum() * bounded.shape[2]);
            loss = loss + _settings.TeacherWeight * distance;
            metrics.Add(new("distance", distance.detach()));
        }
        return new StepResult(loss, metrics, frames.Sum() / 100.0);
    }

    private static bool IsOwnVoice(Utterance utterance) => utterance.Kind != "stranger";

    /// <summary>Quantizes each utterance with the given probability: at first none, so that the encoder learns phones undisturbed.</summary>
    private static Tensor Mix(Tensor bounded, double probability, Random random)
    {
        Tensor quantized = SpiralEncoder.Quantize(bounded);
        if (probability >= 1) return quantized;
        float[] choice = [.. Enumerable.Range(0, (int)bounded.shape[0]).Select(_ => random.NextDouble() < probability ? 1f : 0f)];
        Tensor mask = tensor(choice, choice.Length, 1, 1);
        return quantized * mask + bounded * (1 - mask);
    }

    private Tensor Ctc(Tensor logits, Utterance[] batch, int[] units)
    {
        int longest = batch.Max(u => u.Phones.Count);
        long[] targets = new long[batch.Length * longest];
        for (int i = 0; i < batch.Length; i++)
            for (int k = 0; k < batch[i].Phones.Count; k++) targets[i * longest + k] = _model.PhoneIndex[batch[i].Phones[k]];
        return F.ctc_loss(F.log_softmax(logits, -1).transpose(0, 1), tensor(targets, batch.Length, longest),
            tensor(units.Select(n => (long)n).ToArray()), tensor(batch.Select(u => (long)u.Phones.Count).ToArray()),
            blank: _corpus.Phones.Count, zero_infinity: true);
    }

    private IEnumerable<KeyValuePair<string, double>> Evaluate(long step)
    {
        HashSet<int> codes = [];
        long kept = 0, total = 0;
        foreach ((string name, List<Utterance> group) in _evaluation)
        {
            if (group.Count == 0) continue;
            long errors = 0, phones = 0;
            foreach (Utterance[] batch in group.OrderBy(u => u.Samples).Chunk(12))
            {
                (int[][] units, int[][] recognized) = _model.Recognize([.. batch.Select(u => SpeechEncoderModel.Wave(_corpus.Pcm(u)))]);
                for (int i = 0; i < batch.Length; i++)
                {
                    int[] truth = [.. batch[i].Phones.Select(phone => _model.PhoneIndex[phone])];
                    errors += EditDistance.Between<int>(truth, recognized[i]);
                    phones += truth.Length;
                    codes.UnionWith(units[i]);
                    total += units[i].Length;
                    kept += units[i].Where((unit, k) => k == 0 || unit != units[i][k - 1]).Count();
                }
            }
            yield return new($"per_{name}", (double)errors / phones);
        }
        yield return new("codes_used", codes.Count);
        yield return new("dedup_ratio", (double)kept / Math.Max(1, total));
    }

    private List<Utterance> Spaced(Func<Utterance, bool> condition)
    {
        List<Utterance> all = [.. _corpus.Utterances.Where(u => condition(u) && u.Phones.Count > 0)];
        int stride = Math.Max(1, all.Count / _settings.EvaluationUtterances);
        return [.. all.Where((_, i) => i % stride == 0).Take(_settings.EvaluationUtterances)];
    }

    private bool Keep(Utterance utterance) =>
        utterance.Kind != "canonical" || DeterministicRandom.Fraction(utterance.Id, (ulong)_settings.Seed) < _settings.CanonicalShare;

    private static double Ramp(double progress, double from, double to) => Math.Clamp((progress - from) / Math.Max(1e-9, to - from), 0, 1);
}
