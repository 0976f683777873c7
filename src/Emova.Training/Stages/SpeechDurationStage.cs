using System.Globalization;
using Emova.Models.Speech;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Stages;

/// <summary>Settings of the stage, configs/training/speech-duration.yaml.</summary>
public sealed record SpeechDurationSettings : LoopSettings
{
    /// <summary>Model configuration with the section <c>speech_decoder_config</c>.</summary>
    public string Model { get; set; } = "configs/models/emova-tiny.json";

    /// <summary>Units per step (collapsed, padding included).</summary>
    public int UnitsPerStep { get; set; } = 4000;

    public double WeightDecay { get; set; } = 0.01;
}

/// <summary>
/// Trains only the run lengths of the speech decoder. The units of an answer are those of the canonical voice whatever style
/// it is spoken in, so the model learns canonical runs scaled by the tempo of the style: seconds per phone of all recordings
/// in that style relative to the canonical one. Units of styled recordings are left out: their number carries the tempo
/// already, and nothing in a unit tells the two cases apart.
/// </summary>
public sealed class SpeechDurationStage : IDisposable
{
    public const string Name = "speech-duration";

    private readonly SpeechDurationSettings _settings;
    private readonly string _runs;
    private readonly TinyCorpus _corpus;
    private readonly SpeechUnitsTable _units;
    private readonly VocoderDimensions _dimensions;
    private readonly SpeechDecoderModel _model;
    private readonly List<Utterance> _training;
    private readonly List<Utterance> _evaluation;
    private readonly double[] _tempo;
    private readonly LengthBuckets _buckets;

    public SpeechDurationStage(SpeechDurationSettings settings, string data, string runs)
    {
        (_settings, _runs) = (settings, runs);
        _corpus = TinyCorpus.Open(data);
        _units = SpeechUnitsTable.Open(data);
        _dimensions = VocoderDimensions.Parse(ModelConfig.Section(settings.Model, "speech_decoder_config"));
        random.manual_seed(settings.Seed);
        _model = SpeechDecoderModel.Load(settings.Model, runs, SpeechDecoderStage.Name);
        _training = [.. _corpus.Utterances.Where(u => u.Split == "train" && u.Kind == "canonical")];
        _evaluation = [.. _corpus.Utterances.Where(u => u.Split == "test" && u.Kind == "styled")];
        _tempo = Tempo(_corpus.Utterances.Where(u => u.Split == "train" && u.Kind is "canonical" or "question" or "styled"));
        _buckets = new LengthBuckets([.. _training.Select(u => SpeechUnits.Collapse(_units[u.Id]).Units.Length)], settings.UnitsPerStep, settings.Seed);
    }

    public void Dispose() => _corpus.Dispose();

    /// <summary>Runs the stage; true when it is complete.</summary>
    public bool Run()
    {
        RunFolder folder = new(_runs, Name);
        File.WriteAllText(Path.Combine(folder.Path, "config.yaml"), StageConfig.ToYaml(_settings));
        Console.WriteLine("seconds per phone relative to the canonical style: " + string.Join(", ",
            VoiceStyle.All.Select((style, i) => string.Create(CultureInfo.InvariantCulture, $"{style.Name} {_tempo[i]:F2}"))));
        AdamW optimizer = new(_model.Store, weightDecay: _settings.WeightDecay)
        {
            RateFactor = name => name.StartsWith("duration", StringComparison.Ordinal) ? 1 : 0,
        };
        return new TrainingLoop(folder, _model.Store, optimizer, _settings) { Unit = "units" }.Run(Step, Evaluate);
    }

    private StepResult Step(long step)
    {
        Random random = new(TrainingLoop.StepSeed(_settings.Seed, step));
        Item[] items = [.. _buckets.Batch(step).Select(i => Converted(_training[i], random.Next(VoiceStyle.All.Count)))];
        (Tensor logits, Tensor targets, Tensor mask) = Predict(items);
        Tensor loss = -((F.log_softmax(logits, -1) * targets).sum(-1, keepdim: true) * mask).sum() / mask.sum();
        return new StepResult(loss, [], items.Sum(item => (double)item.Units.Length));
    }

    /// <summary>Canonical units spoken in each style: predicted total length against the recording of the same text in that style.</summary>
    private IEnumerable<KeyValuePair<string, double>> Evaluate(long step)
    {
        using IDisposable inference = no_grad();
        double deviation = 0, bias = 0;
        int count = 0;
        foreach (Utterance[] group in _evaluation.Chunk(48))
        {
            using DisposeScope scope = NewDisposeScope();
            (Utterance Spoken, Utterance Source)[] pairs = [.. group.SelectMany(u => _corpus.Saying(u.Text, "canonical", u.Split).Take(1).Select(c => (u, c)))];
            if (pairs.Length == 0) continue;
            (Tensor logits, _, Tensor mask) = Predict([.. pairs.Select(pair => Converted(pair.Source, StyleIndex(pair.Spoken.Style)))]);
            Tensor lengths = arange(1, _dimensions.MaxRun + 1, ScalarType.Float32);
            float[] total = ((logits.softmax(-1) * lengths).sum(-1, keepdim: true) * mask).sum([1L, 2L]).data<float>().ToArray();
            for (int i = 0; i < pairs.Length; i++, count++)
            {
                double ratio = total[i] / _units[pairs[i].Spoken.Id].Length;
                deviation += Math.Abs(ratio - 1);
                bias += ratio - 1;
            }
        }
        if (count == 0) yield break;
        yield return new("length_deviation", deviation / count);
        yield return new("length_bias", bias / count);
    }

    private sealed record Item(int[] Units, double[] Runs, int Style);

    private Item Converted(Utterance canonical, int style)
    {
        (int[] units, int[] runs) = SpeechUnits.Collapse(_units[canonical.Id]);
        return new Item(units, [.. runs.Select(run => run * _tempo[style])], style);
    }

    /// <summary>Logits (B, U, MaxRun), target distributions on the two whole lengths around each run, and the mask (B, U, 1).</summary>
    private (Tensor Logits, Tensor Targets, Tensor Mask) Predict(Item[] items)
    {
        int longest = items.Max(item => item.Units.Length), classes = _dimensions.MaxRun;
        long[] ids = new long[items.Length * longest];
        float[] targets = new float[items.Length * longest * classes];
        for (int row = 0; row < items.Length; row++)
        {
            for (int i = 0; i < items[row].Units.Length; i++)
            {
                ids[row * longest + i] = items[row].Units[i];
                double run = Math.Clamp(items[row].Runs[i], 1, classes);
                int low = Math.Min((int)run, classes - 1), at = (row * longest + i) * classes;
                targets[at + low - 1] = (float)(1 - (run - low));
                targets[at + low] = (float)(run - low);
            }
        }
        Tensor mask = LogMelFrontEnd.Mask([.. items.Select(item => item.Units.Length)], longest).unsqueeze(2);
        Tensor style, states;
        using (no_grad())
        {
            style = _model.Styles([.. items.Select(item => item.Style)]);
            states = _model.Vocoder.EncodeUnits(tensor(ids, items.Length, longest), style, mask);
        }
        return (_model.Vocoder.RunLengths(states, style, mask), tensor(targets, items.Length, longest, classes), mask);
    }

    private static double[] Tempo(IEnumerable<Utterance> utterances)
    {
        double[] samples = new double[VoiceStyle.All.Count], phones = new double[VoiceStyle.All.Count];
        double canonicalSamples = 0, canonicalPhones = 0;
        foreach (Utterance utterance in utterances)
        {
            if (utterance.Kind == "canonical") (canonicalSamples, canonicalPhones) = (canonicalSamples + utterance.Samples, canonicalPhones + utterance.Phones.Count);
            else
            {
                int style = StyleIndex(utterance.Style);
                samples[style] += utterance.Samples;
                phones[style] += utterance.Phones.Count;
            }
        }
        return [.. samples.Select((total, i) => phones[i] == 0 || canonicalPhones == 0 ? 1 : total / phones[i] / (canonicalSamples / canonicalPhones))];
    }

    private static int StyleIndex(string name)
    {
        for (int i = 0; i < VoiceStyle.All.Count; i++)
            if (VoiceStyle.All[i].Name == name) return i;
        throw new ArgumentException($"style '{name}' does not exist", nameof(name));
    }
}
