using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Language;

/// <summary>Root mean square norm over the last axis: x / sqrt(mean(x^2) + eps) * weight.</summary>
public sealed class RmsNorm : CheckpointModule
{
    private readonly Parameter _weight; // (D)
    private readonly double _epsilon;

    public RmsNorm(long size, double epsilon)
        : base(nameof(RmsNorm))
    {
        _epsilon = epsilon;
        _weight = new Parameter(ones(size));
        register_parameter("weight", _weight);
    }

    /// <summary>(…, D) to (…, D).</summary>
    public Tensor Forward(Tensor input)
    {
        using Tensor inverse = (input * input).mean([-1], keepdim: true).add_(Arithmetic.Constant(_epsilon)).rsqrt_();
        return input * inverse * _weight;
    }
}
