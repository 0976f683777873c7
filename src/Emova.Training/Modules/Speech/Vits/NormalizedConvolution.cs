using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>
/// Convolution along time whose weight is a direction (weight_v) with a length per slice of its first axis (weight_g, arXiv 1602.07868):
/// of a sequence, of a picture's columns, or transposed, where the first axis is the input channel.
/// </summary>
internal sealed class NormalizedConvolution
{
    private readonly Tensor _bias;
    private readonly Tensor _gain;
    private readonly Tensor _direction;
    private readonly long[] _kernelDims;
    private readonly int _stride;
    private readonly int _groups;
    private readonly int _dilation;

    /// <param name="scope">Where the parameters are named.</param>
    /// <param name="shape">Outputs, inputs of all groups together, kernel, and 1 for a convolution of pictures.</param>
    /// <param name="stride">Step along time.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="dilation">Distance of the taps.</param>
    /// <param name="deviation">Of the initial weights; null for that of the library the reference uses.</param>
    public NormalizedConvolution(ParameterScope scope, long[] shape, int stride = 1, int groups = 1, int dilation = 1, double? deviation = null)
    {
        (long outputs, long inputs) = (shape[0], shape[1]);
        if (groups < 1 || outputs < 1 || outputs % groups != 0 || inputs % groups != 0)
            throw new EmovaException($"{scope.Prefix[..^1]}: {inputs} inputs and {outputs} outputs do not divide into {groups} groups");
        (_stride, _groups, _dilation) = (stride, groups, dilation);
        _kernelDims = [.. Enumerable.Range(1, shape.Length - 1).Select(dim => (long)dim)];
        long fanIn = inputs / groups * shape[2];
        _bias = scope.Full("bias", 0, outputs);
        _direction = scope.Normal("weight_v", deviation ?? 1 / Math.Sqrt(3.0 * fanIn), [outputs, inputs / groups, .. shape[2..]]);
        using (no_grad()) _gain = scope.Store.Add($"{scope.Prefix}weight_g", Norm()); // so that the initial weights are the drawn ones
    }

    private NormalizedConvolution(ParameterScope scope, int inputs, int outputs, int kernel, int rate, double deviation)
    {
        (_stride, _groups, _dilation, _kernelDims) = (rate, 1, 1, [1, 2]);
        _bias = scope.Full("bias", 0, outputs);
        _direction = scope.Normal("weight_v", deviation, inputs, outputs, kernel);
        using (no_grad()) _gain = scope.Store.Add($"{scope.Prefix}weight_g", Norm());
    }

    /// <summary>One that makes <paramref name="rate"/> frames of each, with <see cref="ForwardTransposed"/>.</summary>
    public static NormalizedConvolution Transposed(ParameterScope scope, int inputs, int outputs, int kernel, int rate, double deviation) =>
        new(scope, inputs, outputs, kernel, rate, deviation);

    /// <summary>x (B, C, T) or (B, C, T, period); zeros beyond the ends keep the length, apart from the stride.</summary>
    /// <param name="x">Input.</param>
    /// <param name="isFixed">True when only the input is to get a gradient.</param>
    public Tensor Forward(Tensor x, bool isFixed = false)
    {
        Tensor weight = Weight(), bias = _bias;
        if (isFixed) (weight, bias) = (weight.detach(), bias.detach());
        long padding = _direction.shape[2] / 2 * _dilation;
        return weight.dim() == 3
            ? F.conv1d(x, weight, bias, stride: _stride, padding: padding, dilation: _dilation, groups: _groups)
            : F.conv2d(x, weight, bias, strides: [_stride, 1], padding: [padding, 0], groups: _groups);
    }

    /// <summary>x (B, C, T) -> (B, outputs, rate x T).</summary>
    public Tensor ForwardTransposed(Tensor x) => F.conv_transpose1d(x, Weight(), _bias, stride: _stride, padding: (_direction.shape[2] - _stride) / 2);

    private Tensor Weight() => _direction.mul(_gain.div(Norm()));

    private Tensor Norm() => _direction.square().sum(_kernelDims, keepdim: true).sqrt(); // (slices, 1, 1[, 1])
}
