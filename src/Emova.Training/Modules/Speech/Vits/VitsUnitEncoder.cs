using Emova.Models.Speech.Vits;
using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Speech.Vits;

/// <summary>Twin of the runtime's UnitEncoder: post-norm transformer layers with relative positions and convolutional feed-forward layers.</summary>
internal sealed class VitsUnitEncoder
{
    private const int Window = 4;
    private const double Dropout = 0.1;
    private const double Masked = -1e4;

    private readonly VitsConfig _config;
    private readonly Tensor _embedding;
    private readonly Layer[] _layers;
    private readonly VitsConvolution _projection;

    public VitsUnitEncoder(VitsConfig config, ParameterScope scope)
    {
        _config = config;
        _embedding = scope.Push("emb").Normal("weight", 1 / Math.Sqrt(config.HiddenChannels), config.VocabSize, config.HiddenChannels);
        _layers = [.. Enumerable.Range(0, config.NumLayers).Select(i => new Layer(config, scope.Push("encoder"), i))];
        _projection = new VitsConvolution(scope.Push("proj"), 2 * config.InterChannels, config.HiddenChannels, 1);
    }

    /// <summary>Rows of the table (B, U), mask (B, 1, U) -> states (B, H, U), mean and log deviation of the prior (B, C, U).</summary>
    public (Tensor Hidden, Tensor Mean, Tensor LogDeviation) Forward(Tensor rows, Tensor mask, bool training)
    {
        Tensor x = _embedding.index_select(0, rows.flatten()).view(rows.shape[0], rows.shape[1], _config.HiddenChannels).Times(Math.Sqrt(_config.HiddenChannels));
        x = x.transpose(1, 2).mul(mask);
        foreach (Layer layer in _layers) x = layer.Forward(x, mask, training);
        x = x.mul(mask);
        Tensor statistics = _projection.Forward(x).mul(mask);
        return (x, statistics.narrow(1, 0, _config.InterChannels), statistics.narrow(1, _config.InterChannels, _config.InterChannels));
    }

    private sealed class Layer
    {
        private readonly VitsConvolution _query;
        private readonly VitsConvolution _key;
        private readonly VitsConvolution _value;
        private readonly VitsConvolution _output;
        private readonly Tensor _relativeKeys;
        private readonly Tensor _relativeValues;
        private readonly VitsChannelNorm _attentionNorm;
        private readonly VitsConvolution _expand;
        private readonly VitsConvolution _contract;
        private readonly VitsChannelNorm _feedForwardNorm;
        private readonly int _heads;

        public Layer(VitsConfig config, ParameterScope encoder, int index)
        {
            int width = config.HiddenChannels, dim = width / config.NumHeads;
            _heads = config.NumHeads;
            ParameterScope attention = encoder.Push("attn_layers").Push(index), feedForward = encoder.Push("ffn_layers").Push(index);
            _query = new VitsConvolution(attention.Push("conv_q"), width, width, 1);
            _key = new VitsConvolution(attention.Push("conv_k"), width, width, 1);
            _value = new VitsConvolution(attention.Push("conv_v"), width, width, 1);
            _output = new VitsConvolution(attention.Push("conv_o"), width, width, 1);
            _relativeKeys = attention.Normal("emb_rel_k", 1 / Math.Sqrt(dim), 1, 2 * Window + 1, dim);
            _relativeValues = attention.Normal("emb_rel_v", 1 / Math.Sqrt(dim), 1, 2 * Window + 1, dim);
            _attentionNorm = new VitsChannelNorm(encoder.Push("norm_layers_1").Push(index), width);
            _expand = new VitsConvolution(feedForward.Push("conv_1"), config.FilterChannels, width, config.KernelSize);
            _contract = new VitsConvolution(feedForward.Push("conv_2"), width, config.FilterChannels, config.KernelSize);
            _feedForwardNorm = new VitsChannelNorm(encoder.Push("norm_layers_2").Push(index), width);
        }

        public Tensor Forward(Tensor x, Tensor mask, bool training)
        {
            x = _attentionNorm.Forward(x.Plus(F.dropout(Attend(x, mask, training), Dropout, training)));
            Tensor y = _contract.Forward(F.dropout(F.relu(_expand.Forward(x.mul(mask))), Dropout, training).mul(mask)).mul(mask);
            return _feedForwardNorm.Forward(x.Plus(F.dropout(y, Dropout, training)));
        }

        private Tensor Attend(Tensor x, Tensor mask, bool training)
        {
            long batch = x.shape[0], count = x.shape[2], dim = x.shape[1] / _heads;
            Tensor Heads(VitsConvolution projection) => projection.Forward(x).view(batch, _heads, dim, count).transpose(2, 3); // (B, heads, U, d)
            Tensor q = Heads(_query).Times(1 / Math.Sqrt(dim)), k = Heads(_key), v = Heads(_value);

            // Column d of the nine relative positions belongs to j = i + d - 4, where that exists.
            Tensor position = arange(count, ScalarType.Int64), offset = position.unsqueeze(0).sub(position.unsqueeze(1)); // (U, U): j - i
            Tensor near = offset.abs().le(Arithmetic.Constant(Window)).to(ScalarType.Float32);
            Tensor column = offset.clamp(-Window, Window).add(tensor(Window, ScalarType.Int64)).expand(batch, _heads, count, count);
            Tensor relative = q.matmul(_relativeKeys[0].transpose(0, 1)).gather(3, column).mul(near);
            Tensor scores = q.matmul(k.transpose(2, 3)).Plus(relative);
            Tensor visible = mask.transpose(1, 2).mul(mask).unsqueeze(1); // (B, 1, U, U)
            Tensor weights = F.dropout(scores.masked_fill(visible.eq(Arithmetic.Constant(0)), Arithmetic.Constant(Masked)).softmax(-1), Dropout, training);

            Tensor nine = zeros([batch, _heads, count, 2 * Window + 1]).scatter_add(3, column, weights.mul(near));
            Tensor mixed = weights.matmul(v).Plus(nine.matmul(_relativeValues[0]));
            return _output.Forward(mixed.transpose(2, 3).reshape(batch, _heads * dim, count));
        }
    }
}
