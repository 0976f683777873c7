using Emova.Checkpoints;
using Emova.Models.Language;

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
/// <param name="Parts">Sums per part.</param>
/// <param name="ContextLength">Positions for which the cache is planned.</param>
/// <param name="CacheBytes">Bytes of the keys and values of one conversation of that length.</param>
public sealed record ModelInspection(
    EmovaConfig Config, IReadOnlyList<TensorInfo> Tensors, IReadOnlyList<ModelPart> Parts, int ContextLength, long CacheBytes)
{
    /// <summary>Stored values of all parts.</summary>
    public long Parameters => Parts.Sum(part => part.Parameters);

    /// <summary>Bytes of all parts once loaded.</summary>
    public long WeightBytes => Parts.Sum(part => part.LoadedBytes);

    /// <summary>Weights and the cache of one conversation.</summary>
    public long TotalBytes => WeightBytes + CacheBytes;
}

/// <summary>Looks at a model folder without loading it, for <c>emova inspect</c>.</summary>
public static class ModelInspector
{
    // Weights are held as float whatever their stored type.
    private const int LoadedElementBytes = sizeof(float);

    private static readonly (string Prefix, string Part)[] Parts =
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

    /// <summary>Reads configuration and headers.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="contextLength">Positions to plan the cache for; the model's maximum when null.</param>
    /// <exception cref="EmovaException">The folder is damaged, or the context length is not 1 to the model's maximum.</exception>
    public static ModelInspection Inspect(ModelFolder folder, int? contextLength = null)
    {
        EmovaConfig config = EmovaConfig.Read(folder.Config);
        int maximum = config.Language.MaxPositionEmbeddings, length = contextLength ?? maximum;
        if (length < 1 || length > maximum)
            throw new EmovaException($"context length must be 1 to {maximum}, is {length}");
        TensorInfo[] tensors = [.. folder.OpenWeights().SelectMany(file => file.Tensors.Values).OrderBy(t => t.Name, StringComparer.Ordinal)];
        ModelPart[] parts = [.. tensors.GroupBy(PartOf).Select(group => new ModelPart(
            group.Key, group.Count(), group.Sum(t => t.ElementCount), group.Sum(t => t.ByteLength), group.Sum(t => t.ElementCount) * LoadedElementBytes))];
        return new ModelInspection(config, tensors, parts, length, KvCache.SizeFor(config.Language, length));
    }

    private static string PartOf(TensorInfo tensor) =>
        Parts.First(part => tensor.Name.StartsWith(part.Prefix, StringComparison.Ordinal)).Part;
}
