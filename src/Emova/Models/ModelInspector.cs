using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Models.Vision;
using Emova.Numerics;

namespace Emova.Models;

/// <summary>A part of a model and what it takes.</summary>
/// <param name="Name">language, vision, projector, speech encoder, speech decoder or other.</param>
/// <param name="Tensors">Stored tensors.</param>
/// <param name="Parameters">Stored values.</param>
/// <param name="FileBytes">Bytes in the weight files.</param>
/// <param name="LoadedBytes">Bytes in memory once loaded.</param>
public sealed record ModelPart(string Name, int Tensors, long Parameters, long FileBytes, long LoadedBytes);

/// <summary>What a model folder holds and needs, found from its configuration and the headers of its weight files alone.</summary>
/// <param name="Config">The dimensions.</param>
/// <param name="Tensors">All stored tensors, sorted by name.</param>
/// <param name="ContextLength">Positions for which the cache is planned.</param>
/// <param name="Plan">Memory once loaded.</param>
/// <param name="Wanted">Name in the origin format and shape of every tensor the configuration asks for.</param>
/// <param name="Differences">How the weight files differ from that, or null when they fit or there are none.</param>
public sealed record ModelInspection(
    EmovaConfig Config, IReadOnlyList<TensorInfo> Tensors, int ContextLength, MemoryPlan Plan,
    IReadOnlyList<(string Name, IReadOnlyList<long> Shape)> Wanted, string? Differences)
{
    /// <summary>Sums per part.</summary>
    public IReadOnlyList<ModelPart> Parts => Plan.Parts;

    /// <summary>Stored values of all parts.</summary>
    public long Parameters => Parts.Sum(part => part.Parameters);
}

/// <summary>Looks at a model folder without loading it, for <c>emova inspect</c>.</summary>
public static class ModelInspector
{
    private static readonly (string Prefix, string Part)[] Prefixes =
    [
        ("model.vision_tower.", "vision"),
        ("model.mm_projector.", "projector"),
        ("model.image_newline", "projector"),
        ("speech_encoder.", "speech encoder"),
        ("speech_decoder.", "speech decoder"),
        ("model.", "language"),
        ("lm_head.", "language"),
        ("", "other"),
    ];

    /// <summary>
    /// Reads configuration and headers and compares them. A folder without weight files, as it is before they are downloaded, is
    /// described by what its configuration asks for.
    /// </summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="contextLength">Positions to plan the cache for; the model's maximum when null.</param>
    /// <param name="patches">Patches of the largest picture to plan for; those of the largest the model takes when null.</param>
    /// <exception cref="EmovaException">The folder is damaged, or the context length is not 1 to the model's maximum.</exception>
    public static ModelInspection Inspect(ModelFolder folder, int? contextLength = null, int? patches = null)
    {
        EmovaConfig config = EmovaConfig.Read(folder.Config);
        int maximum = config.Language.MaxPositionEmbeddings, length = contextLength ?? maximum;
        if (length < 1 || length > maximum)
            throw new EmovaException($"context length must be 1 to {maximum}, is {length}");
        IReadOnlyList<SafetensorsFile> files = folder.HasWeights ? folder.OpenWeights() : [];
        TensorInfo[] tensors = [.. files.SelectMany(file => file.Tensors.Values).OrderBy(t => t.Name, StringComparer.Ordinal)];
        CheckpointNames names = CheckpointNames.Detect(tensors.Select(tensor => tensor.Name));
        WeightLoader listing = WeightLoader.ForListing(files, names);
        EmovaModel.ListTensors(folder.Config, listing);
        TensorSize[] sizes = files.Count > 0
            ? [.. files.SelectMany(file => file.Tensors.Values.Select(tensor => Measure(file, tensor, names.ToOrigin(tensor.Name))))]
            : [.. listing.Wanted.Select(wanted => Measure(wanted.Name, wanted.Shape, name => IsSpeech(name) ? WeightFormat.Float32 : WeightFormat.BFloat16))];
        return new ModelInspection(
            config, tensors, length, Plan(config, sizes, length, patches ?? PatchesOf(config.Vision, long.MaxValue)), listing.Wanted,
            files.Count > 0 ? listing.Differences() : null);
    }

    /// <summary>Sums the tensors per part and adds what a conversation needs.</summary>
    /// <param name="config">The dimensions.</param>
    /// <param name="tensors">What the weights take.</param>
    /// <param name="contextLength">Positions of the cache.</param>
    /// <param name="patches">Patches of the largest picture.</param>
    internal static MemoryPlan Plan(EmovaConfig config, IReadOnlyList<TensorSize> tensors, int contextLength, int patches)
    {
        bool IsRead(TensorSize tensor) => PartOf(tensor.Name) == "language" && (config.Language.TieWordEmbeddings
            ? !tensor.Name.EndsWith("lm_head.weight", StringComparison.Ordinal) : !tensor.Name.EndsWith("embed_tokens.weight", StringComparison.Ordinal));
        bool IsLayer(TensorSize tensor) => tensor.Name.Contains(".layers.", StringComparison.Ordinal) && tensor.Name.EndsWith("_proj.weight", StringComparison.Ordinal);
        ModelPart[] parts = [.. tensors.GroupBy(tensor => PartOf(tensor.Name)).Select(group => new ModelPart(
            group.Key, group.Count(), group.Sum(t => t.Parameters), group.Sum(t => t.FileBytes), group.Sum(t => t.LoadedBytes)))];
        return new MemoryPlan(parts, KvCache.SizeFor(config.Language, contextLength), LanguageScratch(config.Language, contextLength) + VisionScratch(config.Vision, patches),
            tensors.Where(tensor => IsRead(tensor) && IsLayer(tensor)).Sum(tensor => tensor.Parameters), tensors.Where(IsRead).Sum(tensor => tensor.LoadedBytes));
    }

    /// <summary>Buffers of a chunk of a prompt, the scores of one position, and what each thread needs to look back.</summary>
    private static long LanguageScratch(LanguageConfig config, int contextLength)
    {
        long perRow = 2 * config.HiddenSize + config.ProjectedWidth + config.AttendedWidth + config.FeedForwardWidth + 2 * config.RoutesPerRow + config.RotaryDim;
        int keyHeads = config.NumKeyValueHeads;
        long attention = config.CacheFormat == WeightFormat.BFloat16
            ? CachedAttention.ScratchPerThread(contextLength, config.NumAttentionHeads, config.KeyDim / keyHeads, config.ValueDim / keyHeads)
            : AttentionKernel.ScratchPerThread(contextLength) * sizeof(float);
        return (LanguageModel.ChunkRows * perRow + config.VocabSize) * sizeof(float) + WorkerTeam.Shared.ThreadCount * attention
            + QuantizedRows.SizeInBytes(LanguageModel.ChunkRows, Math.Max(config.HiddenSize, config.IntermediateSize));
    }

    /// <summary>Patches that the vision encoder takes at once for a picture.</summary>
    /// <param name="vision">The dimensions; none has no patches.</param>
    /// <param name="pixels">Area of the picture.</param>
    public static int PatchesOf(VisionConfig? vision, long pixels) => vision?.Tower switch
    {
        Qwen2VisionConfig native => (int)Math.Clamp(pixels, native.MinPixels, native.MaxPixels) / (native.PatchSize * native.PatchSize),
        TileEncoderConfig tile => tile.PatchesPerSide * tile.PatchesPerSide + 1, // tiles one after the other, each with its class token
        _ => 0,
    };

    /// <summary>Buffers of the vision encoder: patches, residual stream, norm, query, key, value, angles, merger.</summary>
    private static long VisionScratch(VisionConfig? vision, int patches)
    {
        (int patch, int dim, int intermediate, int angles, int merged) = vision?.Tower switch
        {
            Qwen2VisionConfig native => (native.PatchDim, native.EmbedDim, native.EmbedDim * native.MlpRatio, 3 * native.HeadDim / 2, native.EmbedDim + 2 * native.HiddenSize / native.MergeArea),
            TileEncoderConfig tile => (3 * tile.PatchSize * tile.PatchSize, tile.HiddenSize, tile.IntermediateSize, 0, tile.HiddenSize),
            _ => default,
        };
        const int feedForwardRows = 512;
        return (patches * (patch + 5L * dim + angles + merged) + (long)Math.Min(patches, feedForwardRows) * intermediate) * sizeof(float);
    }

    /// <summary>Plans a model that exists only as a configuration.</summary>
    /// <param name="config">The content of a config.json.</param>
    /// <param name="options">How its matrices would be quantized; those that are not are held as bfloat16, those of speech as float.</param>
    /// <param name="contextLength">Positions of the cache.</param>
    /// <param name="patches">Patches of the largest picture.</param>
    /// <exception cref="EmovaException">The configuration is not that of a model.</exception>
    public static MemoryPlan Plan(ConfigSection config, QuantizationOptions options, int contextLength, int patches)
    {
        WeightLoader listing = WeightLoader.ForListing([], CheckpointNames.Detect([]));
        EmovaModel.ListTensors(config, listing);
        return Plan(
            EmovaConfig.Read(config), [.. listing.Wanted.Select(wanted => Measure(wanted.Name, wanted.Shape, name => FormatOf(name, [.. wanted.Shape], options)))], contextLength, patches);
    }

    /// <summary>The format a matrix of a model would have after quantization of its release.</summary>
    /// <param name="name">Name of the matrix.</param>
    /// <param name="shape">Rows and columns.</param>
    /// <param name="options">What is rounded.</param>
    public static WeightFormat FormatOf(string name, long[] shape, QuantizationOptions options)
    {
        TensorInfo stored = new(name, IsSpeech(name) ? DType.F32 : DType.BF16, shape, 0, 0);
        return ModelQuantizer.FormatFor(name, stored, options) ?? (IsSpeech(name) ? WeightFormat.Float32 : WeightFormat.BFloat16);
    }

    internal static string PartOf(string name) => Prefixes.First(part => name.StartsWith(part.Prefix, StringComparison.Ordinal)).Part;

    private static bool IsSpeech(string name) => PartOf(name).StartsWith("speech", StringComparison.Ordinal);

    /// <summary>
    /// What a stored tensor takes in memory: matrices stay in the stored type, with room for a bias beside them; everything else is held
    /// as float (see <see cref="WeightLoader.GetLinear"/>).
    /// </summary>
    private static TensorSize Measure(SafetensorsFile file, TensorInfo tensor, string name)
    {
        if (PackedTensor.TryParse(file, tensor, out WeightFormat format, out int outputs, out int inputs))
            return new TensorSize(name, (long)outputs * inputs, tensor.ByteLength, LinearWeight.SizeFor(format, outputs, inputs));
        return Measure(name, tensor.Shape, _ => tensor.DType == DType.BF16 ? WeightFormat.BFloat16 : WeightFormat.Float32) with { FileBytes = tensor.ByteLength };
    }

    private static TensorSize Measure(string name, IReadOnlyList<long> shape, Func<string, WeightFormat> formatOf)
    {
        long elements = shape.Aggregate(1L, (product, size) => checked(product * size));
        bool isMatrix = shape.Count == 2 && name.EndsWith(".weight", StringComparison.Ordinal) && shape.All(size => size is > 0 and <= int.MaxValue);
        return new TensorSize(name, elements, 0, isMatrix ? LinearWeight.SizeFor(formatOf(name), (int)shape[0], (int)shape[1]) : elements * sizeof(float));
    }
}

/// <summary>What one tensor takes.</summary>
/// <param name="Name">Name of the tensor.</param>
/// <param name="Parameters">Values it stands for.</param>
/// <param name="FileBytes">Bytes in the file.</param>
/// <param name="LoadedBytes">Bytes in memory.</param>
internal sealed record TensorSize(string Name, long Parameters, long FileBytes, long LoadedBytes);
