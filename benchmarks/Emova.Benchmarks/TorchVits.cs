using Emova.Checkpoints;
using Emova.Models.Speech.Vits;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Benchmarks;

/// <summary>The flow and the generator of the published speech decoder in libtorch, weight norm fused at load: the peer of the runtime's.</summary>
internal sealed class TorchVits
{
    private const int FlowKernel = 5, FlowLayers = 4, Couplings = 4;

    private readonly VitsConfig config;
    private readonly WeightLoader weights;
    private readonly Dictionary<string, (Tensor Weight, Tensor? Bias)> layers = [];

    public TorchVits(VitsConfig config, WeightLoader weights)
    {
        (this.config, this.weights) = (config, weights);
        int width = config.HiddenChannels, half = config.InterChannels / 2, channels = config.UpsampleInitialChannel, blocks = config.ResblockKernelSizes.Count;
        for (int i = 0; i < Couplings; i++)
        {
            string coupling = $"flow.flows.{2 * i}";
            Plain($"{coupling}.pre", width, half, 1);
            Normed($"{coupling}.enc.cond_layer", 2 * width * FlowLayers, config.StyleDim, 1);
            for (int l = 0; l < FlowLayers; l++)
            {
                Normed($"{coupling}.enc.in_layers.{l}", 2 * width, width, FlowKernel);
                Normed($"{coupling}.enc.res_skip_layers.{l}", l < FlowLayers - 1 ? 2 * width : width, width, 1);
            }

            Plain($"{coupling}.post", half, width, 1);
        }

        Plain("dec.conv_pre", channels, config.InterChannels, 7);
        Plain("dec.cond", channels, config.StyleDim, 1);
        for (int i = 0; i < config.UpsampleRates.Count; i++, channels /= 2)
        {
            Normed($"dec.ups.{i}", channels, channels / 2, config.UpsampleKernelSizes[i], biases: channels / 2);
            for (int j = 0; j < blocks; j++)
            {
                for (int d = 0; d < config.ResblockDilations[j].Count; d++)
                {
                    Normed($"dec.resblocks.{i * blocks + j}.convs1.{d}", channels / 2, channels / 2, config.ResblockKernelSizes[j]);
                    Normed($"dec.resblocks.{i * blocks + j}.convs2.{d}", channels / 2, channels / 2, config.ResblockKernelSizes[j]);
                }
            }
        }

        Plain("dec.conv_post", 1, channels, 7, bias: false);
    }

    /// <summary>Prior frames (T, C) to samples.</summary>
    public float[] Decode(float[] prior, float[] style)
    {
        using IDisposable inference = inference_mode();
        using IDisposable scope = NewDisposeScope();
        Tensor g = tensor(style, [1, style.Length, 1]);
        Tensor z = tensor(prior, [1, prior.Length / config.InterChannels, config.InterChannels]).transpose(1, 2).contiguous();
        for (int i = Couplings - 1; i >= 0; i--) z = Couple(z.flip(1), g, $"flow.flows.{2 * i}");
        return [.. Generate(z, g).contiguous().data<float>()];
    }

    private Tensor Couple(Tensor z, Tensor g, string name)
    {
        int width = config.HiddenChannels, half = config.InterChannels / 2;
        Tensor x0 = z.narrow(1, 0, half), x1 = z.narrow(1, half, half);
        Tensor x = Convolve(x0, $"{name}.pre"), condition = Convolve(g, $"{name}.enc.cond_layer"), sum = zeros_like(x);
        for (int l = 0; l < FlowLayers; l++)
        {
            using IDisposable scope = NewDisposeScope();
            Tensor a = Convolve(x, $"{name}.enc.in_layers.{l}", padding: FlowKernel / 2) + condition.narrow(1, 2 * width * l, 2 * width);
            Tensor r = Convolve(a.narrow(1, 0, width).tanh() * a.narrow(1, width, width).sigmoid(), $"{name}.enc.res_skip_layers.{l}");
            if (l < FlowLayers - 1) x = (x + r.narrow(1, 0, width)).MoveToOuterDisposeScope();
            sum = (sum + (l < FlowLayers - 1 ? r.narrow(1, width, width) : r)).MoveToOuterDisposeScope();
        }

        return cat([x0, x1 - Convolve(sum, $"{name}.post")], 1);
    }

    private Tensor Generate(Tensor z, Tensor g)
    {
        int blocks = config.ResblockKernelSizes.Count;
        Tensor x = Convolve(z, "dec.conv_pre", padding: 3) + Convolve(g, "dec.cond");
        for (int i = 0; i < config.UpsampleRates.Count; i++)
        {
            using IDisposable scope = NewDisposeScope();
            (Tensor weight, Tensor? bias) = layers[$"dec.ups.{i}"];
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), weight, bias, stride: config.UpsampleRates[i], padding: (config.UpsampleKernelSizes[i] - config.UpsampleRates[i]) / 2);
            Tensor sum = zeros_like(x);
            for (int j = 0; j < blocks; j++) sum.add_(Block(x, $"dec.resblocks.{i * blocks + j}", config.ResblockKernelSizes[j], config.ResblockDilations[j]));
            x = sum.div_(blocks).MoveToOuterDisposeScope();
        }

        return Convolve(F.leaky_relu(x, 0.01), "dec.conv_post", padding: 3).tanh();
    }

    private Tensor Block(Tensor x, string name, int kernel, IReadOnlyList<int> dilations)
    {
        for (int d = 0; d < dilations.Count; d++)
        {
            using IDisposable scope = NewDisposeScope();
            Tensor h = Convolve(F.leaky_relu(x, 0.1), $"{name}.convs1.{d}", (kernel - 1) / 2 * dilations[d], dilations[d]);
            x = Convolve(h.leaky_relu_(0.1), $"{name}.convs2.{d}", (kernel - 1) / 2).add_(x).MoveToOuterDisposeScope();
        }

        return x;
    }

    private Tensor Convolve(Tensor x, string name, long padding = 0, long dilation = 1)
    {
        (Tensor weight, Tensor? bias) = layers[name];
        return F.conv1d(x, weight, bias, padding: padding, dilation: dilation);
    }

    private void Plain(string name, int outputs, int inputs, int kernel, bool bias = true) =>
        Keep(name, weights.Get($"{name}.weight", outputs, inputs, kernel), [outputs, inputs, kernel], bias ? outputs : 0);

    private void Normed(string name, int first, int second, int kernel, int? biases = null) =>
        Keep(name, WeightNorm.Fuse(weights.Push(name), first, second, kernel), [first, second, kernel], biases ?? first);

    private void Keep(string name, float[] values, long[] shape, int biases) => layers[name] = (
        tensor(values, shape).DetachFromDisposeScope(), biases == 0 ? null : tensor(weights.Get($"{name}.bias", biases)).DetachFromDisposeScope());
}
