using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules;

/// <summary>
/// Tensor arithmetic whose scalar operands live for ever. TorchSharp makes a native scalar even for `a + b` and reads its handle before the
/// native call; a collection at that moment may free the scalar under the call, which then fails or computes with garbage. Background
/// threads that allocate make this a matter of minutes, so code that runs every step uses these instead of the operators.
/// </summary>
internal static class Arithmetic
{
    private static readonly ConcurrentDictionary<double, Scalar> Kept = new();
    private static readonly Scalar One = Constant(1);

    /// <summary>A scalar that is never collected.</summary>
    public static Scalar Constant(double value) => Kept.GetOrAdd(value, v => v.ToScalar());

    public static Tensor Plus(this Tensor left, Tensor right) => left.add(right, One);

    public static Tensor Minus(this Tensor left, Tensor right) => left.sub(right);

    public static Tensor Times(this Tensor tensor, double factor) => tensor.mul(Constant(factor));

    public static Tensor Plus(this Tensor tensor, double value) => tensor.add(Constant(value));
}
