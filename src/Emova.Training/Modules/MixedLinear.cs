using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules;

/// <summary>
/// Linear layer with float32 weights that multiplies in bfloat16 when asked to (TorchSharp has no autocast). The result is bfloat16 then;
/// adding it to the float32 residual promotes it again.
/// </summary>
public sealed class MixedLinear : CheckpointModule
{
    private readonly Parameter _weight; // (N, K)
    private readonly Parameter? _bias; // (N)
    private readonly bool _bfloat16;
    private LowRankAdapter? _adapter;

    /// <param name="inputs">K</param>
    /// <param name="outputs">N</param>
    /// <param name="bias">whether the layer has a bias, which starts at zero</param>
    /// <param name="options">precision</param>
    /// <param name="gain">initial weights are normal with standard deviation gain / sqrt(K)</param>
    public MixedLinear(long inputs, long outputs, bool bias, TwinOptions options, double gain = 1)
        : base(nameof(MixedLinear))
    {
        _bfloat16 = options.BFloat16;
        _weight = new Parameter(randn(outputs, inputs) * (gain / Math.Sqrt(inputs)));
        register_parameter("weight", _weight);
        if (bias)
        {
            _bias = new Parameter(zeros(outputs));
            register_parameter("bias", _bias);
        }
    }

    /// <summary>(…, K) to (…, N), bfloat16 if so configured, else float32.</summary>
    public Tensor Forward(Tensor input) =>
        _adapter is null ? Apply(input, _weight, _bias, _bfloat16) : _adapter.Forward(input, _weight, _bias, _bfloat16, training);

    /// <summary>Puts a low-rank update beside the layer, see <see cref="LowRankAdapter"/>.</summary>
    internal LowRankAdapter Adapt(int rank, double scaling, double dropout, bool dora) => _adapter = new(_weight, rank, scaling, dropout, dora);

    /// <summary>input (…, K) times weight (N, K) transposed, in bfloat16 if asked.</summary>
    internal static Tensor Apply(Tensor input, Tensor weight, Tensor? bias, bool bfloat16) =>
        bfloat16
            ? F.linear(input.to(ScalarType.BFloat16), weight.to(ScalarType.BFloat16), bias?.to(ScalarType.BFloat16))
            : F.linear(input, weight, bias);
}
