using System.Text.Json;
using System.Text.Json.Nodes;
using Emova.Checkpoints;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Vision;
using Emova.Training.Stages.Language;
using Emova.Training.Stages.Vision;

namespace Emova.Training.Planning;

/// <summary>
/// Memory and arithmetic of one step of a language stage, from its settings and the model's description alone: nothing is allocated, so
/// models of any size can be planned. Bytes are those of one process.
/// </summary>
/// <param name="Parts">values of each part, and how many of them learn</param>
/// <param name="Tokens">positions of one batch</param>
/// <param name="Weights">float32 master weights</param>
/// <param name="Casts">bfloat16 copies of the matrices, which live until the backward pass</param>
/// <param name="Gradients">float32</param>
/// <param name="Optimizer">two moments in float32 of all values, or of those of the adapter, shared out among the processes</param>
/// <param name="Activations">what the backward pass needs of the batch</param>
/// <param name="Scores">scores of the vocabulary and their gradients</param>
/// <param name="FlopsPerBatch">multiplications and additions of one batch, forward and backward</param>
public sealed record TrainingPlan(
    IReadOnlyList<PlannedPart> Parts, long Tokens, long Weights, long Casts, long Gradients, long Optimizer, long Activations, long Scores, double FlopsPerBatch)
{
    /// <summary>What the program and the native library take before the model is made (measured: 260 MiB).</summary>
    public const long ProgramBytes = 260L << 20;

    // Part of the positions whose next token is predicted: those of answers.
    private const double TargetShare = 0.5;

    // Logits in bfloat16 and float32, their log softmax, and the gradients of the first two.
    private const int ScoreBytes = 2 + 4 + 4 + 4 + 2;

    /// <summary>All of it.</summary>
    public long Total => ProgramBytes + Weights + Casts + Gradients + Optimizer + Activations + Scores;

    /// <summary>Values that learn.</summary>
    public long Learning => Parts.Sum(part => part.Learning);

    /// <summary>Plans a stage.</summary>
    /// <param name="settings">the stage</param>
    /// <param name="vocabulary">tokens, for descriptions that leave it to the tokenizer</param>
    /// <param name="ranks">processes that train together, at least 1</param>
    /// <exception cref="EmovaException">The description is missing or damaged.</exception>
    public static TrainingPlan Of(LanguageSettings settings, int vocabulary, int ranks)
    {
        ConfigSection section = Describe(settings.Model, vocabulary);
        EmovaConfig config = EmovaConfig.Read(section);
        WeightLoader listing = WeightLoader.ForListing([], CheckpointNames.Detect([]));
        EmovaModel.ListTensors(section, listing);
        bool adapts = settings.Lora.Rank > 0;
        PlannedTensor[] tensors = [.. listing.Wanted.Where(w => !w.Name.StartsWith("speech_", StringComparison.Ordinal)).Select(w => new PlannedTensor(
            w.Name, w.Shape, !adapts && OmniModel.IsTrainable(w.Name, settings.TrainLanguage, settings.TrainProjector, settings.TuneVisionFromLayer)))];
        long adapter = adapts ? tensors.Sum(t => AdapterValues(t, settings.Lora)) : 0;
        PlannedPart[] parts =
        [
            Part("vision", tensors.Where(t => t.Part == "vision"), 0), Part("projector", tensors.Where(t => t.Part == "projector"), 0),
            Part("language", tensors.Where(t => t.Part == "language"), adapter),
        ];
        long learning = parts.Sum(p => p.Learning), tokens = settings.BatchTokens, all = parts.Sum(p => p.Values) + adapter;
        long matrices = tensors.Where(t => t.Shape.Count == 2 && t.Part == "language").Sum(t => t.Values);
        long targets = (long)(tokens * TargetShare);
        return new TrainingPlan(
            parts, tokens, 4 * all, settings.BFloat16 ? 2 * matrices : 0, 4 * learning, 8 * (adapts ? learning : all) / ranks,
            LanguageActivations(config.Language, settings, tokens) + VisionActivations(config.Vision, settings, tokens),
            targets * config.Language.VocabSize * ScoreBytes, Flops(parts, settings, tokens, targets, config.Language));
    }

    /// <summary>The description of a model with a vocabulary where it has none.</summary>
    public static ConfigSection Describe(string path, int vocabulary)
    {
        ConfigSection config = ModelFolder.ReadConfig(path);
        JsonNode root = JsonNode.Parse(config.Json.GetRawText())!;
        JsonObject language = root["text_config"] as JsonObject ?? root.AsObject();
        if (language["vocab_size"] is null || language["vocab_size"]!.GetValue<int>() == 0) language["vocab_size"] = vocabulary;
        if (root["speech_encoder_config"] is JsonObject encoder && encoder["n_labels"]?.GetValue<int>() == 0) encoder["n_labels"] = 1;
        return new ConfigSection(path, JsonSerializer.SerializeToElement(root));
    }

    private static PlannedPart Part(string name, IEnumerable<PlannedTensor> tensors, long adapter)
    {
        PlannedTensor[] all = [.. tensors];
        return new PlannedPart(name, all.Sum(t => t.Values), all.Where(t => t.Learns).Sum(t => t.Values) + adapter);
    }

    private static long AdapterValues(PlannedTensor tensor, LoraSettings lora) =>
        tensor.Part == "language" && tensor.Shape.Count == 2 && lora.Targets.Any(target => tensor.Name.EndsWith($".{target}.weight", StringComparison.Ordinal))
            ? (lora.Rank * (tensor.Shape[0] + tensor.Shape[1])) + (lora.Dora ? tensor.Shape[0] : 0)
            : 0;

    /// <summary>Bytes per position that autograd keeps of one decoder layer, counted off the training twin.</summary>
    private static long LanguageActivations(LanguageConfig config, LanguageSettings settings, long tokens)
    {
        if (!settings.TrainLanguage && !settings.TrainProjector && settings.TuneVisionFromLayer is null) return 0;
        long hidden = config.HiddenSize, queries = config is DenseDecoderConfig dense ? dense.QueryDim : config.HiddenSize;
        long inner = config is DenseDecoderConfig gated ? gated.IntermediateSize : 4 * hidden;
        int noise = settings.Dropout > 0 ? 2 : 0;

        // Residuals and norms in float32, one cast per matrix, queries, keys, values and result of attention in float32, the gate in bfloat16.
        long layer = settings.BFloat16
            ? ((16 + 10 + (2 * noise)) * hidden) + (18 * queries) + (8 * inner)
            : ((24 + (4 * noise)) * hidden) + (20 * queries) + (16 * inner);
        int layers = config.NumHiddenLayers;
        return tokens * (settings.GradientCheckpointing ? (4 * hidden * layers) + layer : layer * layers);
    }

    private static long VisionActivations(VisionConfig? vision, LanguageSettings settings, long tokens)
    {
        if (settings.TuneVisionFromLayer is not { } first || vision?.Tower is not Qwen2VisionConfig tower) return 0;
        const int perPatch = 54, patchesPerToken = 4;
        long blocks = Math.Max(0, tower.Depth - first), patches = tokens * patchesPerToken / 2; // half of the positions are pictures
        long block = (long)perPatch * tower.EmbedDim;
        return patches * (settings.GradientCheckpointing ? (4L * tower.EmbedDim * blocks) + block : block * blocks);
    }

    /// <summary>Two per weight and position forward, the same for the gradient of inputs, again for the gradient of weights that learn.</summary>
    private static double Flops(PlannedPart[] parts, LanguageSettings settings, long tokens, long targets, LanguageConfig config)
    {
        (PlannedPart vision, PlannedPart language) = (parts[0], parts[2]);
        double table = (double)config.VocabSize * config.HiddenSize, inLayers = language.Values - (table * (config.TieWordEmbeddings ? 1 : 2));
        double passes = 4 + (settings.GradientCheckpointing ? 2 : 0) + (settings.TrainLanguage && settings.Lora.Rank == 0 ? 2 : 0);
        double seen = tokens / 2.0 * 4; // patches
        double visionPasses = 2 + (vision.Values == 0 ? 0 : 4.0 * vision.Learning / vision.Values);
        return (tokens * inLayers * passes) + (targets * table * passes) + (seen * vision.Values * visionPasses);
    }
}

/// <summary>A part of the model.</summary>
/// <param name="Name">vision, projector or language</param>
/// <param name="Values">values held</param>
/// <param name="Learning">values that learn, those of an adapter included</param>
public sealed record PlannedPart(string Name, long Values, long Learning);

/// <summary>A tensor of the model.</summary>
internal sealed record PlannedTensor(string Name, IReadOnlyList<long> Shape, bool Learns)
{
    public long Values => Shape.Aggregate(1L, (product, size) => product * size);

    public string Part => Name.StartsWith(VisionStage.WeightPrefix, StringComparison.Ordinal) ? "vision"
        : Name.StartsWith("model.mm_projector.", StringComparison.Ordinal) || Name.StartsWith("model.image_newline", StringComparison.Ordinal) ? "projector" : "language";
}
