namespace Emova.Models;

/// <summary>The memory that a loaded model and one conversation take, by what it is for.</summary>
/// <param name="Parts">Bytes of the weights of each part.</param>
/// <param name="CacheBytes">Keys and values of one conversation.</param>
/// <param name="ScratchBytes">Buffers of a chunk of a prompt and of a picture.</param>
/// <param name="TokenParameters">Values of the language model's matrices that each token of a prompt meets.</param>
/// <param name="TokenBytes">Bytes of weights that are read for each token of a reply.</param>
public sealed record MemoryPlan(IReadOnlyList<ModelPart> Parts, long CacheBytes, long ScratchBytes, long TokenParameters, long TokenBytes)
{
    /// <summary>Bytes of all weights.</summary>
    public long WeightBytes => Parts.Sum(part => part.LoadedBytes);

    /// <summary>Weights, cache and scratch.</summary>
    public long TotalBytes => WeightBytes + CacheBytes + ScratchBytes;
}
