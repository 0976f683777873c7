using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>Twin of the runtime's RationalQuadraticSpline (arXiv 1906.04032): ten bins on [-5, 5], identity outside.</summary>
internal static class VitsSpline
{
    /// <summary>Raw parameters of one function: widths, heights, inner slopes.</summary>
    public const int Parameters = 3 * Bins - 1;

    private const int Bins = 10;
    private const double Bound = 5;
    private const double MinimumSize = 1e-3;
    private const double MinimumSlope = 1e-3;

    /// <summary>Values (B, U) and raw parameters (B, U, 29) -> function values or, inverse, arguments, and the logarithm of the slope taken.</summary>
    public static (Tensor Values, Tensor LogSlope) Apply(Tensor values, Tensor parameters, double sizeScale, bool inverse)
    {
        Tensor x = Edges(parameters.narrow(2, 0, Bins).Times(sizeScale)), y = Edges(parameters.narrow(2, Bins, Bins).Times(sizeScale));
        Tensor inner = F.softplus(parameters.narrow(2, 2 * Bins, Bins - 1)).Plus(MinimumSlope), one = ones_like(inner.narrow(2, 0, 1));
        Tensor slopes = cat([one, inner, one], 2); // (B, U, 11)

        Tensor inside = values.abs().le(Arithmetic.Constant(Bound)), at = values.clamp(Arithmetic.Constant(-Bound), Arithmetic.Constant(Bound)).unsqueeze(2);
        Tensor bin = at.ge((inverse ? y : x).narrow(2, 1, Bins - 1)).sum(2, keepdim: true).to(ScalarType.Int64); // (B, U, 1)
        Tensor Left(Tensor edges) => edges.narrow(2, 0, Bins).gather(2, bin);
        Tensor Right(Tensor edges) => edges.narrow(2, 1, Bins).gather(2, bin);
        Tensor left = Left(x), width = Right(x).Minus(left), bottom = Left(y), height = Right(y).Minus(bottom), slopeLeft = Left(slopes), slopeRight = Right(slopes);
        Tensor s = height.div(width), bend = slopeLeft.Plus(slopeRight).Minus(s.Times(2)), theta;
        if (inverse)
        {
            Tensor rise = at.Minus(bottom), a = rise.mul(bend).Plus(height.mul(s.Minus(slopeLeft))), b = height.mul(slopeLeft).Minus(rise.mul(bend)), c = s.mul(rise).Times(-1);
            theta = c.Times(2).div(b.Times(-1).Minus(b.square().Minus(a.mul(c).Times(4)).clamp_min(Arithmetic.Constant(0)).sqrt()));
        }
        else
        {
            theta = at.Minus(left).div(width);
        }

        Tensor mixed = theta.mul(theta.Times(-1).Plus(1)), denominator = s.Plus(bend.mul(mixed));
        Tensor result = inverse ? theta.mul(width).Plus(left) : bottom.Plus(height.mul(s.mul(theta.square()).Plus(slopeLeft.mul(mixed))).div(denominator));
        Tensor numerator = s.square().mul(slopeRight.mul(theta.square()).Plus(s.mul(mixed).Times(2)).Plus(slopeLeft.mul(theta.Times(-1).Plus(1).square())));
        Tensor logSlope = numerator.log().Minus(denominator.log().Times(2)).squeeze(2);
        return (where(inside, result.squeeze(2), values), where(inside, inverse ? logSlope.Times(-1) : logSlope, zeros_like(values)));
    }

    /// <summary>Softmax of the raw sizes, kept above the minimum, summed up from -5 to 5: (B, U, 11).</summary>
    private static Tensor Edges(Tensor raw)
    {
        Tensor inner = raw.softmax(-1).Times(1 - MinimumSize * Bins).Plus(MinimumSize).cumsum(-1).Times(2 * Bound).Plus(-Bound).narrow(2, 0, Bins - 1);
        Tensor end = full_like(inner.narrow(2, 0, 1), Bound);
        return cat([end.Times(-1), inner, end], 2);
    }
}
