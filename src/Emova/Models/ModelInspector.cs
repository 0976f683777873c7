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
/// <param name="Wanted">Name in the origin format and shape of every tensor the configuration asks for.</param>
/// <param name="Differences">How the weight files differ from that, or null when they fit or there are none.</param>
public sealed record ModelInspection(
    EmovaConfig Config, IReadOnlyList<TensorInfo> Tensors, IReadOnlyList<ModelPart> Parts, int ContextLength, long CacheBytes,
    IReadOnlyList<(string Name, IReadOnlyList<long> Shape)> Wanted, string? Differences)
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

    /// <summary>
    /// Reads configuration and headers and compares them. A folder without weight files, as it is before they are downloaded, is
    /// described by what its configuration asks for.
    /// </summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="contextLength">Positions to plan the cache for; the model's maximum when null.</param>
    /// <exception cref="EmovaException">The folder is damaged, or the context length is not 1 to the model's maximum.</exception>
    public static ModelInspection Inspect(ModelFolder folder, int? contextLength = null)
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
        IEnumerable<(string Name, long Count, long Bytes)> sizes = files.Count > 0
            ? tensors.Select(tensor => (names.ToOrigin(tensor.Name), tensor.ElementCount, tensor.ByteLength))
            : listing.Wanted.Select(wanted => (wanted.Name, wanted.Shape.Aggregate(1L, (product, size) => checked(product * size)), 0L));
        ModelPart[] parts = [.. sizes.GroupBy(tensor => PartOf(tensor.Name)).Select(group => new ModelPart(
            group.Key, group.Count(), group.Sum(t => t.Count), group.Sum(t => t.Bytes), group.Sum(t => t.Count) * LoadedElementBytes))];
        return new ModelInspection(
            config, tensors, parts, length, KvCache.SizeFor(config.Language, length), listing.Wanted, files.Count > 0 ? listing.Differences() : null);
    }

    private static string PartOf(string name) =>
        Parts.First(part => name.StartsWith(part.Prefix, StringComparison.Ordinal)).Part;
}
