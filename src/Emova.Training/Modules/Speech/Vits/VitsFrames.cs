using Emova.Models.Speech.Vits;
using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>Twin of the runtime's PosteriorEncoder: latent frames of a recording from its linear spectrogram.</summary>
internal sealed class VitsPosteriorEncoder(VitsConfig config, ParameterScope scope)
{
    private const int WaveNetLayers = 16;

    private readonly VitsConvolution _pre = new(scope.Push("pre"), config.HiddenChannels, config.SpectrogramBins, 1);
    private readonly VitsWaveNet _network = new(scope.Push("enc"), config.HiddenChannels, WaveNetLayers, config.StyleDim);
    private readonly VitsConvolution _projection = new(scope.Push("proj"), 2 * config.InterChannels, config.HiddenChannels, 1);

    /// <summary>Magnitudes (B, bins, T), mask (B, 1, T), style (B, S, 1) -> mean and log deviation (B, C, T).</summary>
    public (Tensor Mean, Tensor LogDeviation) Forward(Tensor spectrogram, Tensor mask, Tensor style)
    {
        Tensor statistics = _projection.Forward(_network.Forward(_pre.Forward(spectrogram).mul(mask), mask, style)).mul(mask);
        return (statistics.narrow(1, 0, config.InterChannels), statistics.narrow(1, config.InterChannels, config.InterChannels));
    }
}

/// <summary>Twin of the runtime's ResidualCouplingFlow.</summary>
internal sealed class VitsFlow
{
    private const int Couplings = 4;
    private const int WaveNetLayers = 4;

    private readonly (VitsConvolution Pre, VitsWaveNet Network, VitsConvolution Post)[] _couplings;
    private readonly int _half;

    public VitsFlow(VitsConfig config, ParameterScope scope)
    {
        _half = config.InterChannels / 2;
        _couplings = [.. Enumerable.Range(0, Couplings).Select(i => scope.Push("flows").Push(2 * i)).Select(coupling => (
            new VitsConvolution(coupling.Push("pre"), config.HiddenChannels, _half, 1),
            new VitsWaveNet(coupling.Push("enc"), config.HiddenChannels, WaveNetLayers, config.StyleDim),
            new VitsConvolution(coupling.Push("post"), _half, config.HiddenChannels, 1, isZero: true)))];
    }

    /// <summary>Latent frames z (B, C, T) -> prior frames, as in training; reversed, prior frames -> latent frames. Volume is kept.</summary>
    public Tensor Forward(Tensor z, Tensor mask, Tensor style, bool reverse = false)
    {
        for (int i = 0; i < Couplings; i++)
        {
            (VitsConvolution pre, VitsWaveNet network, VitsConvolution post) = _couplings[reverse ? Couplings - 1 - i : i];
            if (reverse) z = z.flip(1);
            Tensor first = z.narrow(1, 0, _half), second = z.narrow(1, _half, _half);
            Tensor shift = post.Forward(network.Forward(pre.Forward(first).mul(mask), mask, style)).mul(mask);
            z = cat([first, reverse ? second.Minus(shift).mul(mask) : second.mul(mask).Plus(shift)], 1);
            if (!reverse) z = z.flip(1);
        }

        return z;
    }
}

/// <summary>Twin of the runtime's HiFiGanGenerator.</summary>
internal sealed class VitsGenerator
{
    private const int OuterKernel = 7;
    private const double InnerSlope = 0.1, LastSlope = 0.01;
    private const double Deviation = 0.01; // of initial weights

    private readonly VitsConvolution _first;
    private readonly VitsConvolution _condition;
    private readonly NormalizedConvolution[] _upsampling;
    private readonly (NormalizedConvolution First, NormalizedConvolution? Second)[][] _blocks;
    private readonly VitsConvolution _last;
    private readonly int _blocksPerStage;

    public VitsGenerator(VitsConfig config, ParameterScope scope)
    {
        int channels = config.UpsampleInitialChannel;
        _blocksPerStage = config.ResblockKernelSizes.Count;
        _first = new VitsConvolution(scope.Push("conv_pre"), channels, config.InterChannels, OuterKernel);
        _condition = new VitsConvolution(scope.Push("cond"), channels, config.StyleDim, 1);
        _upsampling = new NormalizedConvolution[config.UpsampleRates.Count];
        _blocks = new (NormalizedConvolution, NormalizedConvolution?)[config.UpsampleRates.Count * _blocksPerStage][];
        for (int i = 0; i < _upsampling.Length; i++)
        {
            _upsampling[i] = NormalizedConvolution.Transposed(scope.Push("ups").Push(i), channels, channels / 2, config.UpsampleKernelSizes[i], config.UpsampleRates[i], Deviation);
            channels /= 2;
            for (int j = 0; j < _blocksPerStage; j++)
                _blocks[i * _blocksPerStage + j] = Block(scope.Push("resblocks").Push(i * _blocksPerStage + j), channels, config.ResblockKernelSizes[j], config.ResblockDilations[j], config.PairedResblocks);
        }

        _last = new VitsConvolution(scope.Push("conv_post"), 1, channels, OuterKernel, bias: false);
    }

    /// <summary>Latent frames (B, C, T) and style (B, S, 1) -> waveform (B, 1, samples per frame x T).</summary>
    public Tensor Forward(Tensor z, Tensor style)
    {
        Tensor x = _first.Forward(z).Plus(_condition.Forward(style));
        for (int i = 0; i < _upsampling.Length; i++)
        {
            x = _upsampling[i].ForwardTransposed(F.leaky_relu(x, InnerSlope));
            Tensor? sum = null;
            for (int j = 0; j < _blocksPerStage; j++)
            {
                Tensor y = Apply(_blocks[i * _blocksPerStage + j], x);
                sum = sum is null ? y : sum.Plus(y);
            }

            x = sum!.Times(1.0 / _blocksPerStage);
        }

        return _last.Forward(F.leaky_relu(x, LastSlope)).tanh();
    }

    private static (NormalizedConvolution, NormalizedConvolution?)[] Block(ParameterScope scope, int channels, int kernel, IReadOnlyList<int> dilations, bool paired) =>
        [.. dilations.Select((dilation, i) => (
            new NormalizedConvolution(scope.Push(paired ? "convs1" : "convs").Push(i), [channels, channels, kernel], dilation: dilation, deviation: Deviation),
            paired ? new NormalizedConvolution(scope.Push("convs2").Push(i), [channels, channels, kernel], deviation: Deviation) : null))];

    private static Tensor Apply((NormalizedConvolution First, NormalizedConvolution? Second)[] pairs, Tensor x)
    {
        foreach ((NormalizedConvolution first, NormalizedConvolution? second) in pairs)
        {
            Tensor y = first.Forward(F.leaky_relu(x, InnerSlope));
            x = x.Plus(second is null ? y : second.Forward(F.leaky_relu(y, InnerSlope)));
        }

        return x;
    }
}

/// <summary>Twin of the runtime's StyleEncoder (Meta-StyleSpeech, arXiv 2106.03153): the style of a recording from its linear spectrogram.</summary>
internal sealed class VitsStyleEncoder
{
    private const int Kernel = 5;
    private const int Heads = 2;
    private const double Dropout = 0.1;

    private readonly (Tensor Weight, Tensor Bias)[] _spectral;
    private readonly VitsConvolution[] _temporal;
    private readonly (Tensor Weight, Tensor Bias) _query;
    private readonly (Tensor Weight, Tensor Bias) _key;
    private readonly (Tensor Weight, Tensor Bias) _value;
    private readonly (Tensor Weight, Tensor Bias) _attentionOutput;
    private readonly (Tensor Weight, Tensor Bias) _output;
    private readonly int _width;

    public VitsStyleEncoder(VitsConfig config, ParameterScope scope)
    {
        _width = config.HiddenChannels;
        _spectral = [Linear("spectral.0.fc", config.SpectrogramBins, _width), Linear("spectral.3.fc", _width, _width)];
        _temporal = [.. Enumerable.Range(0, 2).Select(i => new VitsConvolution(scope.Push($"temporal.{i}.conv1.conv"), 2 * _width, _width, Kernel))];
        _query = Linear("slf_attn.w_qs", _width, _width);
        _key = Linear("slf_attn.w_ks", _width, _width);
        _value = Linear("slf_attn.w_vs", _width, _width);
        _attentionOutput = Linear("slf_attn.fc", _width, _width);
        _output = Linear("fc.fc", _width, config.StyleDim);

        (Tensor, Tensor) Linear(string name, int inputs, int outputs) =>
            (scope.Push(name).Normal("weight", 1 / Math.Sqrt(3.0 * inputs), outputs, inputs), scope.Push(name).Full("bias", 0, outputs));
    }

    /// <summary>Magnitudes (B, bins, T), mask (B, 1, T) -> style vectors of length 1, (B, S, 1).</summary>
    public Tensor Forward(Tensor spectrogram, Tensor mask, bool training)
    {
        Tensor x = spectrogram.transpose(1, 2), frames = mask.transpose(1, 2); // (B, T, .)
        foreach ((Tensor weight, Tensor bias) in _spectral) x = F.dropout(F.mish(F.linear(x, weight, bias)), Dropout, training);
        foreach (VitsConvolution convolution in _temporal)
        {
            Tensor y = convolution.Forward(x.transpose(1, 2)).transpose(1, 2);
            x = x.Plus(F.dropout(y.narrow(2, 0, _width).mul(y.narrow(2, _width, _width).sigmoid()), Dropout, training));
        }

        x = x.mul(frames);
        long batch = x.shape[0], count = x.shape[1];
        Tensor Split((Tensor Weight, Tensor Bias) layer) => F.linear(x, layer.Weight, layer.Bias).view(batch, count, Heads, _width / Heads).transpose(1, 2);
        // The scores are divided by the root of the whole width, not of a head's.
        Tensor scores = Split(_query).matmul(Split(_key).transpose(2, 3)).Times(1 / Math.Sqrt(_width));
        Tensor weights = scores.masked_fill(mask.unsqueeze(1).eq(Arithmetic.Constant(0)), Arithmetic.Constant(double.NegativeInfinity)).softmax(-1);
        Tensor mixed = F.dropout(weights, Dropout, training).matmul(Split(_value)).transpose(1, 2).reshape(batch, count, _width);
        x = x.Plus(F.dropout(F.linear(mixed, _attentionOutput.Weight, _attentionOutput.Bias), Dropout, training));
        Tensor style = F.linear(x, _output.Weight, _output.Bias).mul(frames).sum(1).div(frames.sum(1));
        return style.div(style.square().sum(1, keepdim: true).sqrt().clamp_min(Arithmetic.Constant(1e-12))).unsqueeze(2);
    }
}
