using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// Projects vision tokens to the width of the language model: linear, then (depth - 1) times GELU and linear. Its checkpoint
/// names are positions in that sequence: 0, 2, 4, ...
/// </summary>
public sealed class MlpProjector : Projector
{
    private readonly LinearWeight[] layers;

    private MlpProjector(LinearWeight[] layers) => this.layers = layers;

    /// <inheritdoc/>
    public override int Inputs => layers[0].Inputs;

    /// <inheritdoc/>
    public override int Outputs => layers[^1].Outputs;

    /// <summary>Reads the weights.</summary>
    /// <param name="depth">Number of linear layers.</param>
    /// <param name="inputs">Width of the vision tokens.</param>
    /// <param name="outputs">Width of the language model.</param>
    /// <param name="weights">Positioned at the projector's names (<c>model.mm_projector</c>).</param>
    public static MlpProjector Load(int depth, int inputs, int outputs, WeightLoader weights) =>
        new([.. Enumerable.Range(0, depth).Select(i => weights.GetLinear($"{2 * i}", outputs, i == 0 ? inputs : outputs))]);

    /// <inheritdoc/>
    public override float[] Forward(ReadOnlySpan<float> features, ActivationProbe? probe = null)
    {
        int count = features.Length / Inputs;
        float[] y = new float[count * Outputs];
        layers[0].Multiply(features, count, Inputs, y, Outputs);
        foreach (LinearWeight layer in layers.AsSpan(1))
        {
            VectorMath.Gelu(y, y);
            float[] next = new float[y.Length];
            layer.Multiply(y, count, Outputs, next, Outputs);
            y = next;
        }

        return y;
    }
}
