using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Vision;

/// <summary>Pre-norm vision block: x += attention(norm1(x)); x += mlp(norm2(x)). Attention is full inside an image and never crosses images.</summary>
public sealed class VisionBlock : CheckpointModule
{
    private readonly int _heads;
    private readonly LayerNorm _norm1;
    private readonly MixedLinear _qkv;
    private readonly MixedLinear _projection;
    private readonly LayerNorm _norm2;
    private readonly MixedLinear _fc1;
    private readonly MixedLinear _fc2;
    private readonly double _dropout;

    public VisionBlock(int embedDim, int numHeads, int mlpRatio, double outputGain, TwinOptions options)
        : base(nameof(VisionBlock))
    {
        _heads = numHeads;
        _dropout = options.Dropout;
        _norm1 = nn.LayerNorm(embedDim, 1e-6);
        _qkv = new MixedLinear(embedDim, 3 * embedDim, bias: true, options);
        _projection = new MixedLinear(embedDim, embedDim, bias: true, options, outputGain);
        _norm2 = nn.LayerNorm(embedDim, 1e-6);
        _fc1 = new MixedLinear(embedDim, (long)embedDim * mlpRatio, bias: true, options);
        _fc2 = new MixedLinear((long)embedDim * mlpRatio, embedDim, bias: true, options, outputGain);

        register_module("norm1", _norm1);
        register_module("attn", new ModuleGroup(("qkv", _qkv), ("proj", _projection)));
        register_module("norm2", _norm2);
        register_module("mlp", new ModuleGroup(("fc1", _fc1), ("fc2", _fc2)));
    }

    /// <param name="x">(S, E) patches of all images</param>
    /// <param name="rotary">cos and sin, (S, 1, H) each</param>
    /// <param name="lengths">patches per image, in order</param>
    /// <returns>(S, E)</returns>
    public Tensor Forward(Tensor x, (Tensor Cos, Tensor Sin) rotary, IReadOnlyList<int> lengths)
    {
        using DisposeScope scope = NewDisposeScope();
        x = x.Plus(Drop(Attend(_norm1.forward(x), rotary, lengths)));
        Tensor inner = _fc1.Forward(_norm2.forward(x));
        return x.Plus(Drop(_fc2.Forward(inner * sigmoid(inner.Times(1.702))))).MoveToOuterDisposeScope(); // quick GELU
    }

    private Tensor Drop(Tensor x) => F.dropout(x, _dropout, training && _dropout > 0);

    private Tensor Attend(Tensor x, (Tensor Cos, Tensor Sin) rotary, IReadOnlyList<int> lengths)
    {
        long total = x.shape[0], width = x.shape[1], headSize = width / _heads;
        Tensor qkv = _qkv.Forward(x).view(total, 3, _heads, headSize);
        Tensor query = Rotate(qkv.select(1, 0)), key = Rotate(qkv.select(1, 1)); // (S, heads, H)
        Tensor value = qkv.select(1, 2).to(ScalarType.Float32);

        // Runs of images with the same number of patches form one batch.
        List<Tensor> runs = [];
        long start = 0;
        for (int i = 0; i < lengths.Count;)
        {
            int images = 1;
            while (i + images < lengths.Count && lengths[i + images] == lengths[i])
            {
                images++;
            }

            long rows = (long)images * lengths[i];
            Tensor attended = F.scaled_dot_product_attention(Batch(query), Batch(key), Batch(value));
            runs.Add(attended.transpose(1, 2).reshape(rows, width));
            start += rows;
            i += images;

            Tensor Batch(Tensor t) => t.narrow(0, start, rows).view(images, rows / images, _heads, headSize).transpose(1, 2);
        }

        return _projection.Forward(runs.Count == 1 ? runs[0] : cat(runs, 0));

        Tensor Rotate(Tensor t)
        {
            long half = headSize / 2;
            return (t * rotary.Cos).Plus(cat([-t.narrow(-1, half, half), t.narrow(-1, 0, half)], -1) * rotary.Sin);
        }
    }
}
