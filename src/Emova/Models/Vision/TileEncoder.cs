using Emova.Checkpoints;
using Emova.Numerics;

namespace Emova.Models.Vision;

/// <summary>
/// What the vision transformers for square tiles of one size share: patches -> embeddings with learned positions -> blocks ->
/// one hidden state. Weights are read only, so one instance may encode on several threads at once.
/// </summary>
public abstract class TileEncoder
{
    private readonly VisionBlock[] blocks;

    private protected TileEncoder(TileEncoderConfig config, PatchEmbedding embeddings, VisionBlock[] blocks) =>
        (Config, Embeddings, this.blocks) = (config, embeddings, blocks);

    /// <summary>The dimensions.</summary>
    public TileEncoderConfig Config { get; }

    /// <summary>Feature rows of a tile of <see cref="TileEncoderConfig.ImageSize"/>.</summary>
    public int TokensPerTile => Config.PatchesPerSide * Config.PatchesPerSide + (Config.KeepClassToken && Embeddings.HasClassToken ? 1 : 0);

    private protected PatchEmbedding Embeddings { get; }

    /// <summary>Encodes tiles of the configured size.</summary>
    /// <param name="pixels">Normalized pixels (tiles, 3, ImageSize, ImageSize).</param>
    /// <param name="probe">Receives <c>hidden.0</c> (embeddings), <c>hidden.n</c> (output of block n) and the parts of each block.</param>
    /// <returns>(tiles, TokensPerTile, HiddenSize): patches in raster order.</returns>
    public float[] Encode(ReadOnlySpan<float> pixels, ActivationProbe? probe = null)
    {
        if (pixels.Length % (3 * Config.ImageSize * Config.ImageSize) != 0)
            throw new ArgumentException($"{pixels.Length} values are not tiles of 3 x {Config.ImageSize} x {Config.ImageSize}", nameof(pixels));
        return Run(Embeddings.Forward(pixels, Config.ImageSize, Config.ImageSize, Embeddings.Positions), Embeddings.TokenCount(Config.ImageSize, Config.ImageSize), probe);
    }

    /// <summary>Between the embeddings and the first block, in place; nothing unless an encoder has something here.</summary>
    private protected virtual void BeforeBlocks(float[] x)
    {
    }

    /// <summary>Embeddings x (tiles, tokens, D) -> features.</summary>
    private protected float[] Run(float[] x, int tokens, ActivationProbe? probe)
    {
        int dim = Config.HiddenSize, tiles = x.Length / (tokens * dim);
        BeforeBlocks(x);
        probe?.Invoke("hidden.0", x);
        int[] ends = new int[tiles];
        for (int i = 0; i < tiles; i++)
            ends[i] = (i + 1) * tokens;
        VisionScratch scratch = new(ends, dim, Config.IntermediateSize);
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i].Forward(x, scratch, $"layer{i}", probe);
            probe?.Invoke($"hidden.{i + 1}", x);
        }

        int dropped = Embeddings.HasClassToken && !Config.KeepClassToken ? 1 : 0;
        if (dropped == 0)
            return x;
        float[] features = new float[tiles * (tokens - dropped) * dim];
        for (int i = 0; i < tiles; i++)
        {
            int length = (tokens - dropped) * dim;
            x.AsSpan((i * tokens + dropped) * dim, length).CopyTo(features.AsSpan(i * length));
        }

        return features;
    }
}

/// <summary>Convolution over patches that do not overlap, an optional class token in front, learned absolute positions.</summary>
internal sealed class PatchEmbedding(LinearWeight kernel, int patchSize, float[]? classToken, float[] positions)
{
    private readonly int dim = kernel.Outputs;

    public bool HasClassToken => classToken is not null;

    /// <summary>(tokens, D) for the configured size.</summary>
    public float[] Positions => positions;

    /// <summary>Tokens of a tile, class token included.</summary>
    public int TokenCount(int height, int width) => height / patchSize * (width / patchSize) + (HasClassToken ? 1 : 0);

    /// <summary>Pixels (tiles, 3, height, width) -> (tiles, tokens, D), with the positions (tokens, D) of that size.</summary>
    public float[] Forward(ReadOnlySpan<float> pixels, int height, int width, ReadOnlySpan<float> positionsOfSize)
    {
        int rows = height / patchSize, columns = width / patchSize, first = HasClassToken ? 1 : 0, tokens = TokenCount(height, width);
        int tileLength = 3 * height * width, tiles = pixels.Length / tileLength;
        float[] x = new float[checked(tiles * tokens * dim)];
        float[] patches = new float[rows * columns * kernel.Inputs];
        for (int i = 0; i < tiles; i++)
        {
            Gather(pixels.Slice(i * tileLength, tileLength), height, width, rows, columns, patches);
            Span<float> tile = x.AsSpan(i * tokens * dim, tokens * dim);
            classToken?.CopyTo(tile);
            kernel.Multiply(patches, rows * columns, kernel.Inputs, tile[(first * dim)..], dim);
            VectorMath.Add(tile, positionsOfSize, tile);
        }

        return x;
    }

    /// <summary>(3, height, width) -> (rows * columns, 3 * patchSize * patchSize); a row is (channel, y, x).</summary>
    private void Gather(ReadOnlySpan<float> pixels, int height, int width, int rows, int columns, float[] patches)
    {
        Span<float> target = patches;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                for (int channel = 0; channel < 3; channel++)
                {
                    for (int y = 0; y < patchSize; y++)
                    {
                        pixels.Slice((channel * height + row * patchSize + y) * width + column * patchSize, patchSize).CopyTo(target);
                        target = target[patchSize..];
                    }
                }
            }
        }
    }
}
