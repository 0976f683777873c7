using System.Globalization;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Speech;
using Emova.Models.Speech.Vits;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Modules.Speech;
using Emova.Training.Modules.Speech.Vits;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages;

/// <summary>Settings of the stage, configs/training/speech-vits.yaml.</summary>
public sealed record SpeechVitsSettings : LoopSettings
{
    /// <summary>Model configuration with a section <c>speech_decoder_config</c> of type <c>SynthesizerTrn</c>.</summary>
    public string Model { get; set; } = "configs/models/vits-tiny.json";

    /// <summary>Audio per step, padding included.</summary>
    public double SecondsPerStep { get; set; } = 16;

    /// <summary>Length of the pieces that are turned into samples and judged, in latent frames; the published model's is 32.</summary>
    public int SegmentFrames { get; set; } = 25;

    /// <summary>Longest utterance used, in seconds.</summary>
    public double MaxSeconds { get; set; } = 6;

    public double WeightDecay { get; set; } = 0.01;

    public double MelWeight { get; set; } = VitsLosses.MelWeight;

    public double KullbackLeiblerWeight { get; set; } = 1;

    public double DurationWeight { get; set; } = 1;

    public double AdversarialWeight { get; set; } = 1;

    public double FeatureWeight { get; set; } = 1;

    /// <summary>Step from which the discriminators take part; before it the generator learns spectra only, which costs less.</summary>
    public long AdversarialFrom { get; set; }

    /// <summary>Sizes of the discriminators.</summary>
    public VitsDiscriminatorConfig Discriminator { get; set; } = new();

    /// <summary>Utterances kept for evaluation.</summary>
    public int EvaluationUtterances { get; set; } = 24;

    /// <summary>Recordings per style that its prototype is the mean of.</summary>
    public int PrototypeUtterances { get; set; } = 40;
}

/// <summary>An utterance to learn from: its units without repetitions and its samples at the decoder's rate.</summary>
public sealed record VitsExample(int[] Units, float[] Wave);

/// <summary>
/// Trains the speech decoder that EMOVA publishes, VITS with units and a style encoder. The discriminators learn in the same step: their
/// loss sees generated audio without its gradient, the generator's sees the discriminators without theirs, so that one backward pass
/// serves both and a checkpoint holds the whole game.
/// </summary>
public sealed class SpeechVitsStage
{
    public const string Name = "speech-vits";

    private const string DiscriminatorPrefix = "discriminators.";

    private readonly SpeechVitsSettings _settings;
    private readonly string _runs;
    private readonly System.Text.Json.JsonElement _section;
    private readonly ParameterStore _store = new();
    private readonly VitsModel _model;
    private readonly VitsDiscriminator _discriminator;
    private readonly VitsSpectrogram _spectrogram;
    private readonly LengthBuckets _buckets;
    private readonly Func<int, VitsExample> _read;
    private readonly VitsExample[] _evaluation;

    /// <summary>Prepares the stage.</summary>
    /// <param name="settings">Settings.</param>
    /// <param name="runs">Folder of the runs.</param>
    /// <param name="samples">Length of each training utterance, at the decoder's rate.</param>
    /// <param name="read">Reads one.</param>
    /// <param name="evaluation">Utterances that are not trained on.</param>
    public SpeechVitsStage(SpeechVitsSettings settings, string runs, IReadOnlyList<int> samples, Func<int, VitsExample> read, IEnumerable<VitsExample> evaluation)
    {
        (_settings, _runs, _read, _evaluation) = (settings, runs, read, [.. evaluation]);
        if (settings.SegmentFrames < 1) throw new EmovaException($"segment_frames {settings.SegmentFrames}: expected 1 or more");
        _section = ModelConfig.Section(settings.Model, "speech_decoder_config");
        Config = Read(settings.Model);
        random.manual_seed(settings.Seed);
        _model = new VitsModel(Config, _store.Root);
        _discriminator = new VitsDiscriminator(settings.Discriminator, _store.Root);
        _spectrogram = new VitsSpectrogram(new VitsSpectrogramConfig { NFft = Config.FftLength, WinSize = Config.FftLength, HopSize = Config.HopLength, SamplingRate = Config.SampleRate });
        _buckets = new LengthBuckets(samples, (long)(settings.SecondsPerStep * Config.SampleRate), settings.Seed);
    }

    /// <summary>Dimensions of the decoder.</summary>
    public VitsConfig Config { get; }

    /// <summary>The model under training.</summary>
    public VitsModel Model => _model;

    /// <summary>Dimensions in a model configuration.</summary>
    /// <exception cref="EmovaException">It has no decoder of this kind.</exception>
    public static VitsConfig Read(string model) =>
        ISpeechDecoderConfig.Read(new ConfigSection($"{model}: speech_decoder_config", ModelConfig.Section(model, "speech_decoder_config"))) as VitsConfig
        ?? throw new EmovaException($"{model}: speech_decoder_config must be of type SynthesizerTrn");

    /// <summary>Runs the stage; true when it is complete.</summary>
    /// <param name="writeSamples">Called after each evaluation with the folder for something to listen to; null for nothing.</param>
    public bool Run(Action<string>? writeSamples = null)
    {
        RunFolder folder = _settings.OpenRun(_runs, Name);
        _settings.LoadStart(_runs, _store);
        File.WriteAllText(Path.Combine(folder.Path, "config.yaml"), StageConfig.ToYaml(_settings));
        TrainingLoop loop = new(folder, _store, new AdamW(_store, 0.8, 0.99, _settings.WeightDecay, 1e-9), _settings) { Unit = "s" };
        return loop.Run(Step, step =>
        {
            List<KeyValuePair<string, double>> metrics = Evaluate();
            writeSamples?.Invoke(Path.Combine(folder.Path, "samples", string.Create(CultureInfo.InvariantCulture, $"step-{step:000000}")));
            return metrics;
        });
    }

    /// <summary>The decoder's weights without the discriminators, under their names in a model folder.</summary>
    public IEnumerable<TensorData> Export(DType type) =>
        _store.Export(type, "speech_decoder.").Where(tensor => !tensor.Name.StartsWith("speech_decoder." + DiscriminatorPrefix, StringComparison.Ordinal));

    /// <summary>Writes what the runtime speaks with: a folder with the decoder and its styles.</summary>
    public void WriteDecoder(string folder, IEnumerable<TensorData> styles, DType type = DType.BF16)
    {
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), Export(type), new Dictionary<string, string> { ["format"] = "pt" });
        SafetensorsWriter.Write(Path.Combine(folder, "styles.safetensors"), styles);
        File.WriteAllText(Path.Combine(folder, "config.json"), new System.Text.Json.Nodes.JsonObject
        {
            ["model_type"] = "emova_speech_decoder", ["speech_decoder_config"] = System.Text.Json.Nodes.JsonNode.Parse(_section.GetRawText()),
        }.ToJsonString() + "\n");
    }

    /// <summary>A batch of utterances.</summary>
    public VitsBatch Batch(IReadOnlyList<VitsExample> examples)
    {
        int hop = Config.HopLength, rows = examples.Count, units = examples.Max(e => e.Units.Length);
        int[] frames = [.. examples.Select(e => e.Wave.Length / hop)];
        int length = frames.Max();
        long[] ids = new long[rows * units];
        float[] waves = new float[rows * length * hop];
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < examples[row].Units.Length; i++) ids[row * units + i] = Config.FirstUnitRow + examples[row].Units[i];
            examples[row].Wave.AsSpan(0, frames[row] * hop).CopyTo(waves.AsSpan(row * length * hop));
        }

        Tensor wave = tensor(waves, rows, length * hop);
        Tensor spectrogram;
        using (no_grad()) spectrogram = _spectrogram.Linear(wave);
        int[] valid = [.. examples.Select(e => e.Units.Length)];
        return new VitsBatch(tensor(ids, rows, units), LogMelFrontEnd.Mask(valid, units).unsqueeze(1), valid, wave, spectrogram, LogMelFrontEnd.Mask(frames, length).unsqueeze(1), frames);
    }

    private StepResult Step(long step)
    {
        VitsBatch batch = Batch([.. _buckets.Batch(step).Select(_read).Where(Fits)]);
        VitsOutput output = _model.Forward(batch, _settings.SegmentFrames);
        (Tensor mel, Tensor divergence) = Distances(output, batch);
        Tensor loss = mel.Times(_settings.MelWeight).Plus(divergence.Times(_settings.KullbackLeiblerWeight)).Plus(output.DurationLoss.Times(_settings.DurationWeight));
        List<KeyValuePair<string, Tensor>> metrics = [new("mel", mel.detach()), new("kl", divergence.detach()), new("duration", output.DurationLoss.detach())];
        if (step >= _settings.AdversarialFrom * _settings.Accumulate)
        {
            IReadOnlyList<DiscriminatorOutput> real = _discriminator.Forward(output.Target), judged = _discriminator.Forward(output.Wave, isJudged: true);
            Tensor discriminator = VitsLosses.Discriminator(real, _discriminator.Forward(output.Wave.detach())).Total;
            Tensor adversarial = VitsLosses.Generator(judged).Total, features = VitsLosses.FeatureMatching(real, judged);
            loss = loss.Plus(discriminator).Plus(adversarial.Times(_settings.AdversarialWeight)).Plus(features.Times(_settings.FeatureWeight));
            metrics.AddRange([new("discriminator", discriminator.detach()), new("adversarial", adversarial.detach()), new("features", features.detach())]);
        }

        return new StepResult(loss, metrics, batch.Frames.Sum() * (double)Config.HopLength / Config.SampleRate);
    }

    /// <summary>More units than frames cannot be aligned.</summary>
    private bool Fits(VitsExample example) => example.Units.Length <= example.Wave.Length / Config.HopLength
        ? true : throw new EmovaException($"an utterance of {example.Wave.Length} samples has {example.Units.Length} units, more than frames of {Config.HopLength} samples");

    private (Tensor Mel, Tensor Divergence) Distances(VitsOutput output, VitsBatch batch)
    {
        Tensor generated = _spectrogram.Mel(_spectrogram.Linear(output.Wave.squeeze(1))), target = _spectrogram.Mel(_spectrogram.Linear(output.Target.squeeze(1)));
        return (VitsLosses.Mel(target, generated), VitsLosses.KullbackLeibler(output.PriorFrames, output.PosteriorLogDeviation, output.PriorMean, output.PriorLogDeviation, batch.FrameMask));
    }

    private List<KeyValuePair<string, double>> Evaluate()
    {
        using IDisposable inference = no_grad();
        random.manual_seed(_settings.Seed);
        double mel = 0, divergence = 0, duration = 0;
        VitsExample[][] groups = [.. _evaluation.OrderBy(example => example.Wave.Length).Chunk(8)];
        foreach (VitsExample[] group in groups)
        {
            using DisposeScope scope = NewDisposeScope();
            VitsBatch batch = Batch(group);
            VitsOutput output = _model.Forward(batch, _settings.SegmentFrames, training: false);
            (Tensor a, Tensor b) = Distances(output, batch);
            (mel, divergence, duration) = (mel + a.item<float>(), divergence + b.item<float>(), duration + output.DurationLoss.item<float>());
        }

        return groups.Length == 0 ? [] : [new("held_out_mel", mel / groups.Length), new("held_out_kl", divergence / groups.Length), new("held_out_duration", duration / groups.Length)];
    }
}
