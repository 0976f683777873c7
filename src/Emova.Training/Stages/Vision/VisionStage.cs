using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Modules.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Vision;

/// <summary>Settings of the vision stage: configs/training/vision.yaml.</summary>
public sealed record VisionSettings : LoopSettings
{
    /// <summary>Pictures per step.</summary>
    public int BatchSize { get; set; } = 32;

    public double WeightDecay { get; set; } = 0.05;

    /// <summary>Multiply in bfloat16.</summary>
    public bool BFloat16 { get; set; } = true;

    /// <summary>Part of the pictures that are composed anew with many objects instead of taken from a dialogue.</summary>
    public double CrowdedShare { get; set; } = 0.6;

    /// <summary>Folders of further drawing styles, see `emova-train glyphs`; each picture is drawn in one of them or in Noto's.</summary>
    public List<string> GlyphFolders { get; set; } = [];

    /// <summary>Part of the emoji on crowded pictures that are painted in one named color.</summary>
    public double PaintedShare { get; set; }

    /// <summary>Pictures of the validation split to measure on.</summary>
    public int ValidationPictures { get; set; } = 256;

    /// <summary>Use only the first scenes of the training split; 0 = all.</summary>
    public int MaxScenes { get; set; }

    /// <summary>Model description whose vision section is trained.</summary>
    public string Model { get; set; } = "configs/models/emova-tiny.json";
}

/// <summary>
/// Pretrains the vision encoder from random weights: every merged cell must tell what it shows, in which color and where its object's
/// center and borders are, and the whole picture what it holds. The heads are dropped afterwards.
/// </summary>
public static class VisionStage
{
    /// <summary>Folder of the run.</summary>
    public const string Name = "vision";

    /// <summary>Prefix of the encoder's weights in the checkpoint.</summary>
    public const string WeightPrefix = "model.vision_tower.vision_tower.";

    private const int EvaluationBatch = 32;

    /// <summary>Trains or goes on training; true when the run is complete.</summary>
    public static bool Run(VisionSettings settings, string data, string runs, TextWriter output)
    {
        TinyModelConfig config = TinyModelConfig.Load(settings.Model);
        Scene[] train = Scenes(data, "train");
        Scene[] validation = [.. Scenes(data, "validation").Take(settings.ValidationPictures)];
        if (settings.MaxScenes > 0)
        {
            train = [.. train.Take(settings.MaxScenes)];
        }

        SceneLabels labels = new(train);
        CrowdedScenes crowds = new(train, settings.PaintedShare);
        ScenePictures pictures = new(SceneRenderer.Open(settings.GlyphFolders), config.Vision.CreateImageProcessor());
        output.WriteLine($"{train.Length} training scenes, {labels.Concepts - 1} concepts, {labels.Colors - 1} colors");

        random.manual_seed(settings.Seed);
        using Qwen2VisionTransformer encoder = new(config.Vision, new TwinOptions(settings.BFloat16));
        using VisionHeads heads = new(config.Vision.HiddenSize, labels);
        ParameterStore store = new();
        store.AddModule(encoder, name => WeightPrefix + name);
        store.AddModule(heads, name => "heads." + name);
        AdamW optimizer = new(store, weightDecay: settings.WeightDecay);
        RunFolder folder = settings.OpenRun(runs, Name);
        settings.LoadStart(runs, store);
        Prefetcher<VisionBatch> batches = new(
            step => TrainBatch(step, new Random(TrainingLoop.StepSeed(settings.Seed, step))),
            ahead: 2,
            settings.TotalBatches);

        return new TrainingLoop(folder, store, optimizer, settings) { Unit = "pictures", Output = output }.Run(
            step =>
            {
                VisionScore score = Score(batches.Get(step));
                return new StepResult(score.Loss, score.Metrics, settings.BatchSize);
            },
            _ => Evaluate());

        VisionBatch TrainBatch(long step, Random random)
        {
            Scene[] scenes = [.. Pick(train, settings, step).Select(s => random.NextDouble() < settings.CrowdedShare ? crowds.Compose(random) : s)];
            return VisionBatch.Create(scenes, pictures, labels, random);
        }

        VisionScore Score(VisionBatch batch)
        {
            Tensor pixels = tensor(batch.Pixels).view(-1, pictures.Processor.RowSize);
            return heads.Score(encoder.Forward(pixels, batch.Grids), batch.Targets);
        }

        Dictionary<string, double> Evaluate()
        {
            using IDisposable noGrad = no_grad();
            Dictionary<string, double> sums = [];
            foreach (Scene[] part in validation.Chunk(EvaluationBatch))
            {
                using DisposeScope scope = NewDisposeScope();
                VisionScore score = Score(VisionBatch.Create(part, pictures, labels, random: null));
                foreach ((string name, Tensor value) in score.Metrics.Prepend(new("loss", score.Loss)))
                {
                    string key = $"validation_{name}";
                    sums[key] = sums.GetValueOrDefault(key) + (value.item<float>() * part.Length / validation.Length);
                }
            }

            return sums;
        }
    }

    /// <summary>The scenes of the dialogues of a split; no speech is needed yet.</summary>
    private static Scene[] Scenes(string data, string split) =>
        [.. CorpusJson.ReadLines<Dialogue>(Path.Combine(data, "dialogue", split + ".jsonl")).Where(d => d.Scene is not null).Select(d => d.Scene!)];

    /// <summary>The scenes of a step: each epoch goes once through a new permutation.</summary>
    private static IEnumerable<Scene> Pick(Scene[] scenes, VisionSettings settings, long step)
    {
        for (long i = step * settings.BatchSize; i < (step + 1) * settings.BatchSize; i++)
        {
            (long epoch, long index) = Math.DivRem(i, scenes.Length);
            yield return scenes[Permutation(scenes.Length, TrainingLoop.StepSeed(settings.Seed, -1 - epoch))[index]];
        }
    }

    [ThreadStatic]
    private static (int Length, int Seed, int[] Order) s_last;

    private static int[] Permutation(int length, int seed)
    {
        if (s_last.Order is null || s_last.Length != length || s_last.Seed != seed)
        {
            int[] order = [.. Enumerable.Range(0, length)];
            new Random(seed).Shuffle(order);
            s_last = (length, seed, order);
        }

        return s_last.Order;
    }
}
