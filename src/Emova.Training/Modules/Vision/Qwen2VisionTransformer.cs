using TorchSharp;
using Qwen2VisionConfig = Emova.Models.Vision.Qwen2VisionConfig;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Emova.Training.Modules.Vision;

/// <summary>
/// Training twin of the Qwen2 vision tower with its 2x2 merger. Parameters carry the checkpoint's names (`patch_embed.proj.weight`,
/// `blocks.{i}.attn.qkv.weight`, …, `merger.mlp.2.bias`).
/// </summary>
public sealed class Qwen2VisionTransformer : CheckpointModule
{
    private readonly Qwen2VisionConfig _config;
    private readonly Parameter _patchEmbedding; // (E, 3, 2, 14, 14)
    private readonly VisionBlock[] _blocks;
    private readonly LayerNorm _mergerNorm;
    private readonly MixedLinear _merger1;
    private readonly MixedLinear _merger2;
    private readonly bool _bfloat16;
    private readonly bool _recompute;
    private readonly Dictionary<(int Rows, int Columns), (Tensor Cos, Tensor Sin)> _tables = [];

    public Qwen2VisionTransformer(Qwen2VisionConfig config, TwinOptions options)
        : base(nameof(Qwen2VisionTransformer))
    {
        _config = config;
        (_bfloat16, _recompute) = (options.BFloat16, options.Recompute);
        int patch = config.PatchDim;
        int merged = config.EmbedDim * config.SpatialMergeSize * config.SpatialMergeSize;
        _patchEmbedding = new Parameter(
            randn([config.EmbedDim, 3, config.TemporalPatchSize, config.PatchSize, config.PatchSize]) / Math.Sqrt(patch));
        double outputGain = 1 / Math.Sqrt(2.0 * config.Depth);
        _blocks = [.. Enumerable.Range(0, config.Depth).Select(_ => new VisionBlock(config.EmbedDim, config.NumHeads, config.MlpRatio, outputGain, options))];
        _mergerNorm = nn.LayerNorm(config.EmbedDim, 1e-6);
        _merger1 = new MixedLinear(merged, merged, bias: true, options);
        _merger2 = new MixedLinear(merged, config.HiddenSize, bias: true, options);

        register_module("patch_embed", new ModuleGroup(("proj", new ModuleGroup("weight", _patchEmbedding))));
        register_module("blocks", new ModuleGroup([.. _blocks.Select((block, i) => (i.ToString(), (nn.Module)block))]));
        register_module("merger", new ModuleGroup(("ln_q", _mergerNorm), ("mlp", new ModuleGroup(("0", _merger1), ("2", _merger2)))));
    }

    /// <summary>Features of the merged cells of all images, in raster order inside each image.</summary>
    /// <param name="pixels">(S, C*2*14*14) patch rows in merge-block order</param>
    /// <param name="grids">rows and columns of patches of each image; the products sum to S</param>
    /// <returns>float32 (S/4, D)</returns>
    public Tensor Forward(Tensor pixels, IReadOnlyList<(int Rows, int Columns)> grids)
    {
        Tensor x = MixedLinear.Apply(pixels, _patchEmbedding.view(_config.EmbedDim, -1), null, _bfloat16).to(ScalarType.Float32); // (S, E)
        (Tensor, Tensor) rotary = Rotary(grids);
        int[] lengths = [.. grids.Select(g => g.Rows * g.Columns)];
        foreach (VisionBlock block in _blocks)
        {
            x = _recompute ? Recompute.Run(input => block.Forward(input, rotary, lengths), x) : block.Forward(x, rotary, lengths);
        }

        long merge = _config.SpatialMergeSize * _config.SpatialMergeSize;
        Tensor cells = _mergerNorm.forward(x).view(-1, merge * _config.EmbedDim);
        return _merger2.Forward(F.gelu(_merger1.Forward(cells))).to(ScalarType.Float32);
    }

    private (Tensor Cos, Tensor Sin) Rotary(IReadOnlyList<(int Rows, int Columns)> grids)
    {
        Tensor[] cos = [.. grids.Select(g => Table(g).Cos)];
        Tensor[] sin = [.. grids.Select(g => Table(g).Sin)];
        return (cat(cos, 0), cat(sin, 0)); // (S, 1, H)
    }

    /// <summary>Half of the frequencies turn with the row, half with the column, both halves repeated; patches in merge-block order.</summary>
    private (Tensor Cos, Tensor Sin) Table((int Rows, int Columns) grid)
    {
        if (_tables.TryGetValue(grid, out (Tensor, Tensor) known))
        {
            return known;
        }

        int headSize = _config.EmbedDim / _config.NumHeads;
        int quarter = headSize / 4;
        int merge = _config.SpatialMergeSize;
        int count = grid.Rows * grid.Columns;
        float[] cos = new float[count * headSize];
        float[] sin = new float[count * headSize];
        int patch = 0;
        for (int blockRow = 0; blockRow < grid.Rows; blockRow += merge)
        {
            for (int blockColumn = 0; blockColumn < grid.Columns; blockColumn += merge)
            {
                for (int inner = 0; inner < merge * merge; inner++, patch++)
                {
                    int row = blockRow + (inner / merge), column = blockColumn + (inner % merge);
                    for (int j = 0; j < headSize; j++)
                    {
                        int k = j % (headSize / 2);
                        float frequency = (float)(1.0 / Math.Pow(10000.0, 4.0 * (k % quarter) / headSize));
                        float angle = (k < quarter ? row : column) * frequency;
                        cos[(patch * headSize) + j] = MathF.Cos(angle);
                        sin[(patch * headSize) + j] = MathF.Sin(angle);
                    }
                }
            }
        }

        (Tensor Cos, Tensor Sin) table = (
            tensor(cos, count, 1, headSize).DetachFromDisposeScope(),
            tensor(sin, count, 1, headSize).DetachFromDisposeScope());
        _tables[grid] = table;
        return table;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach ((Tensor cos, Tensor sin) in _tables.Values)
            {
                cos.Dispose();
                sin.Dispose();
            }
        }

        base.Dispose(disposing);
    }
}
