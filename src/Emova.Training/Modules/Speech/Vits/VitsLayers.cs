using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>Plain convolution that keeps the length of x (B, C, T); an even kernel looks further ahead than back.</summary>
internal sealed class VitsConvolution
{
    private readonly Tensor _weight;
    private readonly Tensor? _bias;
    private readonly int _groups;
    private readonly int _dilation;
    private readonly long _kernel;

    /// <param name="scope">Where the parameters are named.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="inputs">Channels in.</param>
    /// <param name="kernel">Taps.</param>
    /// <param name="bias">Whether there is one.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="dilation">Distance of the taps.</param>
    /// <param name="isZero">Starts at zero: a flow that begins as the identity.</param>
    public VitsConvolution(ParameterScope scope, int outputs, int inputs, int kernel, bool bias = true, int groups = 1, int dilation = 1, bool isZero = false)
    {
        (_groups, _dilation, _kernel) = (groups, dilation, kernel);
        _weight = isZero
            ? scope.Full("weight", 0, outputs, inputs / groups, kernel)
            : scope.Normal("weight", 1 / Math.Sqrt(3.0 * inputs / groups * kernel), outputs, inputs / groups, kernel);
        _bias = bias ? scope.Full("bias", 0, outputs) : null;
    }

    public Tensor Forward(Tensor x)
    {
        long reach = (_kernel - 1) * _dilation, before = reach / 2;
        if (reach % 2 == 0) return F.conv1d(x, _weight, _bias, padding: before, dilation: _dilation, groups: _groups);
        return F.conv1d(F.pad(x, [before, reach - before]), _weight, _bias, dilation: _dilation, groups: _groups);
    }
}

/// <summary>Layer normalization over the channels of x (B, C, T).</summary>
internal sealed class VitsChannelNorm(ParameterScope scope, int width)
{
    private readonly Tensor _gamma = scope.Full("GAMMA", 1, width);
    private readonly Tensor _beta = scope.Full("BETA", 0, width);

    public Tensor Forward(Tensor x) => F.layer_norm(x.transpose(1, 2), [_gamma.shape[0]], _gamma, _beta, 1e-5).transpose(1, 2);
}

/// <summary>Gated convolutions with residual and skip connections, conditioned on a style: twin of the runtime's WaveNet.</summary>
internal sealed class VitsWaveNet
{
    private const int Kernel = 5;

    private readonly NormalizedConvolution _condition;
    private readonly NormalizedConvolution[] _in;
    private readonly NormalizedConvolution[] _resSkip;
    private readonly int _width;

    public VitsWaveNet(ParameterScope scope, int width, int layers, int styleDim)
    {
        _width = width;
        _condition = new NormalizedConvolution(scope.Push("cond_layer"), [2L * width * layers, styleDim, 1]);
        _in = [.. Enumerable.Range(0, layers).Select(i => new NormalizedConvolution(scope.Push("in_layers").Push(i), [2 * width, width, Kernel]))];
        // The last layer feeds no other.
        _resSkip = [.. Enumerable.Range(0, layers).Select(i => new NormalizedConvolution(scope.Push("res_skip_layers").Push(i), [i < layers - 1 ? 2 * width : width, width, 1]))];
    }

    /// <summary>x (B, H, T), mask (B, 1, T), style (B, S, 1) -> (B, H, T).</summary>
    public Tensor Forward(Tensor x, Tensor mask, Tensor style)
    {
        Tensor conditions = _condition.Forward(style);
        Tensor? sum = null;
        for (int i = 0; i < _in.Length; i++)
        {
            Tensor gates = _in[i].Forward(x).Plus(conditions.narrow(1, 2L * _width * i, 2 * _width));
            Tensor result = _resSkip[i].Forward(gates.narrow(1, 0, _width).tanh().mul(gates.narrow(1, _width, _width).sigmoid()));
            Tensor skip = i < _in.Length - 1 ? result.narrow(1, _width, _width) : result;
            if (i < _in.Length - 1) x = x.Plus(result.narrow(1, 0, _width)).mul(mask);
            sum = sum is null ? skip : sum.Plus(skip);
        }

        return sum!.mul(mask);
    }
}

/// <summary>Three residual layers of a dilated depthwise and a pointwise convolution: twin of the runtime's SeparableConvolutions.</summary>
internal sealed class VitsSeparableConvolutions
{
    private const int Kernel = 3;
    private const int Layers = 3;

    private readonly (VitsConvolution Depthwise, VitsChannelNorm Norm1, VitsConvolution Pointwise, VitsChannelNorm Norm2)[] _layers;
    private readonly double _dropout;

    public VitsSeparableConvolutions(ParameterScope scope, int width, double dropout)
    {
        _dropout = dropout;
        _layers = [.. Enumerable.Range(0, Layers).Select(i => (
            new VitsConvolution(scope.Push("convs_sep").Push(i), width, width, Kernel, groups: width, dilation: (int)Math.Pow(Kernel, i)),
            new VitsChannelNorm(scope.Push("norms_1").Push(i), width),
            new VitsConvolution(scope.Push("convs_1x1").Push(i), width, width, 1),
            new VitsChannelNorm(scope.Push("norms_2").Push(i), width)))];
    }

    /// <summary>x (B, C, T), mask (B, 1, T); with <paramref name="training"/> elements are dropped.</summary>
    public Tensor Forward(Tensor x, Tensor mask, bool training)
    {
        foreach ((VitsConvolution depthwise, VitsChannelNorm norm1, VitsConvolution pointwise, VitsChannelNorm norm2) in _layers)
        {
            Tensor y = F.gelu(norm1.Forward(depthwise.Forward(x.mul(mask))));
            y = F.gelu(norm2.Forward(pointwise.Forward(y)));
            x = x.Plus(F.dropout(y, _dropout, training));
        }

        return x.mul(mask);
    }
}
