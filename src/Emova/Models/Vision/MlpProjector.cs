using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// Projects vision tokens to the width of the language model: linear, then (depth - 1) times GELU and linear. Its checkpoint
/// names are positions in that sequence: 0, 2, 4, ...
/// </summary>
public sealed class MlpProjector
{
    private readonly LinearWeight[] layers;

    private MlpProjector(LinearWeight[] layers) => this.layers = layers;

    /// <summary>Width of the vision tokens.</summary>
    public int Inputs => layers[0].Inputs;

    /// <summary>Width of the result.</summary>
    public int Outputs => layers[^1].Outputs;

    /// <summary>Reads the depth from the section <c>mm_projector_config</c>.</summary>
    /// <exception cref="EmovaException">Another projector type, or the depth is out of range.</exception>
    public static int ReadDepth(ConfigSection section)
    {
        section.Text("type", "MLPProjector", "MLPProjector");
        return section.WholeNumber("mlp_depth", 1, 16, 2);
    }

    /// <summary>Reads the weights.</summary>
    /// <param name="depth">Number of linear layers.</param>
    /// <param name="inputs">Width of the vision tokens.</param>
    /// <param name="outputs">Width of the language model.</param>
    /// <param name="weights">Positioned at the projector's names (<c>model.mm_projector</c>).</param>
    public static MlpProjector Load(int depth, int inputs, int outputs, WeightLoader weights) =>
        new([.. Enumerable.Range(0, depth).Select(i => weights.GetLinear($"{2 * i}", outputs, i == 0 ? inputs : outputs))]);

    /// <summary>Projects tokens.</summary>
    /// <param name="tokens">(T, Inputs).</param>
    /// <returns>(T, Outputs).</returns>
    public float[] Forward(ReadOnlySpan<float> tokens)
    {
        int count = tokens.Length / Inputs;
        float[] y = new float[count * Outputs];
        layers[0].Multiply(tokens, count, Inputs, y, Outputs);
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
