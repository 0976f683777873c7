namespace Emova.Training.Modules;

/// <summary>How a training module computes. It never changes what the module means: the exported weights are the same either way.</summary>
/// <param name="BFloat16">
/// Multiply in bfloat16: activations and weights are cast inside the linear layers only, so that master weights, norms, rotary embeddings,
/// attention and the loss stay float32. About 1.5 times faster on a CPU with AVX512-BF16, slower on one without.
/// </param>
/// <param name="Dropout">Probability of dropping an element of each residual branch while training, 0 to 1 (exclusive).</param>
/// <param name="Recompute">Keep only the input of each layer for the backward pass and compute the rest again: less memory, a third more time.</param>
public sealed record TwinOptions(bool BFloat16 = false, double Dropout = 0, bool Recompute = false)
{
    /// <summary>Exact float32 arithmetic without dropout, as the runtime computes.</summary>
    public static TwinOptions Exact { get; } = new();
}
