using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules;

/// <summary>
/// Training twin of the runtime's low-rank update of a linear layer: LoRA (arXiv 2106.09685) y = W x + b + s B A x; DoRA (arXiv 2402.09353)
/// y = c (W x + s B A x) + b, c = m / |W + s B A| per output, where the length is taken as constant (section 4.3 of the paper). B starts at
/// zero, so that training starts from the model as it is.
/// </summary>
public sealed class LowRankAdapter
{
    private readonly Parameter[] _parameters; // A (r, K), B (N, r) and, for DoRA, m (N)
    private readonly double _scaling;
    private readonly double _dropout;

    /// <param name="weight">W (N, K), which stays as it is</param>
    /// <param name="rank">r</param>
    /// <param name="scaling">s</param>
    /// <param name="dropout">probability of dropping an input of A while training</param>
    /// <param name="dora">whether the lengths of the outputs are trained apart</param>
    public LowRankAdapter(Tensor weight, int rank, double scaling, double dropout, bool dora)
    {
        (_scaling, _dropout) = (scaling, dropout);
        long outputs = weight.shape[0], inputs = weight.shape[1];
        double bound = 1 / Math.Sqrt(inputs); // uniform, as a linear layer of this width starts
        using IDisposable noGrad = no_grad();
        Parameter down = new(rand(rank, inputs).mul(Arithmetic.Constant(2 * bound)).sub(full(1, bound)));
        Parameter up = new(zeros(outputs, rank));
        _parameters = dora ? [down, up, new Parameter(RowNorms(weight))] : [down, up];
    }

    /// <summary>Its parameters by the names PEFT gives them.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> Parameters => Names.Zip(_parameters);

    private static string[] Names => ["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"];

    private Parameter Down => _parameters[0];

    private Parameter Up => _parameters[1];

    /// <summary>(…, K) to (…, N).</summary>
    /// <param name="input">(…, K)</param>
    /// <param name="weight">W (N, K)</param>
    /// <param name="bias">b (N), or null</param>
    /// <param name="bfloat16">whether to multiply in bfloat16</param>
    /// <param name="training">whether to drop inputs</param>
    public Tensor Forward(Tensor input, Tensor weight, Tensor? bias, bool bfloat16, bool training)
    {
        Tensor dropped = F.dropout(input, _dropout, training && _dropout > 0);
        Tensor delta = MixedLinear.Apply(MixedLinear.Apply(dropped, Down, null, bfloat16), Up, null, bfloat16).Times(_scaling);
        if (_parameters.Length == 2)
        {
            return MixedLinear.Apply(input, weight, bias, bfloat16).Plus(delta);
        }

        Tensor factor = _parameters[2] / Norms(weight); // (N)
        Tensor changed = MixedLinear.Apply(input, weight, null, bfloat16).Plus(delta) * factor;
        return bias is null ? changed : changed.Plus(bias);
    }

    private Tensor Norms(Tensor weight)
    {
        using IDisposable noGrad = no_grad();
        return RowNorms(weight.Plus(matmul(Up, Down).Times(_scaling)));
    }

    private static Tensor RowNorms(Tensor weight) => weight.mul(weight).sum(1).sqrt();
}
