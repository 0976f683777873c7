using Emova.Models.Language;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Planning;

/// <summary>
/// The same language model and step as one writes them with TorchSharp's own layers and optimizer: nn.Embedding, nn.Linear, attention and
/// cross entropy over all positions, clip_grad_norm_, optim.AdamW. What our step is measured against.
/// </summary>
internal sealed class PlainStep : nn.Module
{
    private const long Ignored = -100;
    private readonly DenseDecoderConfig _config;
    private readonly bool _bfloat16;
    private readonly double _dropout;
    private readonly Embedding _embedding;
    private readonly ModuleList<nn.Module> _linears = new();
    private readonly List<Parameter> _norms = [];
    private readonly optim.Optimizer _optimizer;
    private readonly Tensor _cos, _sin; // (T, H)

    public PlainStep(DenseDecoderConfig config, int columns, bool bfloat16, double dropout)
        : base(nameof(PlainStep))
    {
        (_config, _bfloat16, _dropout) = (config, bfloat16, dropout);
        _embedding = nn.Embedding(config.VocabSize, config.HiddenSize);
        for (int layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            foreach ((int inputs, int outputs, bool bias) in new[]
            {
                (config.HiddenSize, config.QueryDim, true), (config.HiddenSize, config.KeyDim, true), (config.HiddenSize, config.ValueDim, true),
                (config.QueryDim, config.HiddenSize, false), (config.HiddenSize, config.IntermediateSize, false),
                (config.HiddenSize, config.IntermediateSize, false), (config.IntermediateSize, config.HiddenSize, false),
            })
            {
                _linears.Add(nn.Linear(inputs, outputs, bias));
            }
        }

        for (int i = 0; i <= 2 * config.NumHiddenLayers; i++)
        {
            _norms.Add(new Parameter(ones(config.HiddenSize)));
            register_parameter($"norm{i}", _norms[i]);
        }

        RegisterComponents();
        Tensor angles = outer(arange(columns, ScalarType.Float32), pow(config.RopeTheta, arange(0, config.HeadDim, 2, ScalarType.Float32) / -config.HeadDim));
        (_cos, _sin) = (cat([angles, angles], 1).cos(), cat([angles, angles], 1).sin());
        _optimizer = optim.AdamW(parameters(), 1e-4, 0.9, 0.98, 1e-8, 0.05);
    }

    /// <summary>One step on ids (B, T), of which those from the middle on are predicted. Returns the loss.</summary>
    public double Run(Tensor ids)
    {
        using DisposeScope scope = NewDisposeScope();
        _optimizer.zero_grad();
        Tensor labels = roll(ids, -1, 1).clone();
        labels.narrow(1, 0, labels.shape[1] / 2).fill_(Ignored);
        Tensor logits = Forward(ids);
        Tensor loss = F.cross_entropy(logits.view(-1, _config.VocabSize), labels.view(-1), ignore_index: Ignored);
        loss.backward();
        nn.utils.clip_grad_norm_(parameters(), 1.0);
        _optimizer.step();
        return loss.item<float>();
    }

    private Tensor Forward(Tensor ids)
    {
        long batch = ids.shape[0], length = ids.shape[1];
        Tensor x = _embedding.forward(ids);
        for (int i = 0; i < _config.NumHiddenLayers; i++)
        {
            int first = 7 * i;
            Tensor normed = Norm(x, 2 * i);
            Tensor query = Rotate(Heads(Linear(first, normed), _config.NumAttentionHeads));
            Tensor key = Rotate(Heads(Linear(first + 1, normed), _config.NumKeyValueHeads));
            Tensor value = Heads(Linear(first + 2, normed), _config.NumKeyValueHeads).to(ScalarType.Float32);
            long groups = _config.NumAttentionHeads / _config.NumKeyValueHeads;
            Tensor attended = F.scaled_dot_product_attention(query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1), is_casual: true);
            x = x + F.dropout(Linear(first + 3, attended.transpose(1, 2).reshape(batch, length, -1)), _dropout, _dropout > 0);
            normed = Norm(x, (2 * i) + 1);
            x = x + F.dropout(Linear(first + 6, F.silu(Linear(first + 4, normed)) * Linear(first + 5, normed)), _dropout, _dropout > 0);
        }

        return Times(Norm(x, _norms.Count - 1), _embedding.weight!, null).to(ScalarType.Float32);

        Tensor Heads(Tensor t, int heads) => t.view(batch, length, heads, _config.HeadDim).transpose(1, 2);
    }

    private Tensor Linear(int index, Tensor x)
    {
        Linear layer = (Linear)_linears[index];
        return _bfloat16 ? Times(x, layer.weight!, layer.bias) : layer.forward(x);
    }

    private Tensor Times(Tensor x, Tensor weight, Tensor? bias) => _bfloat16
        ? F.linear(x.to(ScalarType.BFloat16), weight.to(ScalarType.BFloat16), bias?.to(ScalarType.BFloat16))
        : F.linear(x, weight, bias);

    private Tensor Norm(Tensor x, int index) => x * rsqrt((x * x).mean([-1], keepdim: true) + _config.RmsNormEps) * _norms[index];

    private Tensor Rotate(Tensor x)
    {
        Tensor[] halves = x.chunk(2, -1);
        return (x * _cos) + (cat([-halves[1], halves[0]], -1) * _sin);
    }
}
