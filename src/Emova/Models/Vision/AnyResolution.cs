namespace Emova.Models.Vision;

/// <summary>
/// Assembles the features of a picture that was encoded in square tiles (LLaVA-NeXT's any-resolution scheme, used by EMOVA's
/// fixed-resolution encoders): a thumbnail of the whole picture, then a grid of tiles.
/// </summary>
public static class AnyResolution
{
    /// <summary>Chooses the grid for a picture: most useful pixels, then least waste; ties keep the earlier candidate.</summary>
    /// <param name="width">Picture width.</param>
    /// <param name="height">Picture height.</param>
    /// <param name="candidates">Sizes in pixels, in the order of the configuration.</param>
    public static (int Width, int Height) SelectResolution(int width, int height, IReadOnlyList<(int Width, int Height)> candidates)
    {
        (int, int) best = candidates[0];
        long bestEffective = -1, leastWaste = long.MaxValue;
        foreach ((int w, int h) in candidates)
        {
            double scale = Math.Min((double)w / width, (double)h / height);
            long effective = Math.Min((long)(width * scale) * (long)(height * scale), (long)width * height);
            long waste = (long)w * h - effective;
            if (effective > bestEffective || (effective == bestEffective && waste < leastWaste))
                (best, bestEffective, leastWaste) = ((w, h), effective, waste);
        }

        return best;
    }

    /// <summary>The part of a feature map that is not letterbox border.</summary>
    /// <param name="width">Picture width.</param>
    /// <param name="height">Picture height.</param>
    /// <param name="columns">Map columns.</param>
    /// <param name="rows">Map rows.</param>
    public static (int Top, int Left, int Rows, int Columns) Unpad(int width, int height, int columns, int rows)
    {
        if ((double)width / height > (double)columns / rows)
        {
            int kept = (int)(height * ((double)columns / width)), border = (rows - kept) / 2;
            return (border, 0, rows - 2 * border, columns);
        }
        else
        {
            int kept = (int)(width * ((double)rows / height)), border = (columns - kept) / 2;
            return (0, border, rows, columns - 2 * border);
        }
    }

    /// <summary>
    /// The <c>spatial_unpad</c> merge: thumbnail tokens, then the tiles laid out as one map without its letterbox border, each
    /// map row followed by the newline vector. A single tile is followed by one newline vector.
    /// </summary>
    /// <param name="tiles">Features of the thumbnail and of each tile, row by row of the grid; each (side * side, D).</param>
    /// <param name="side">Tokens per tile side.</param>
    /// <param name="gridColumns">Tiles per grid row.</param>
    /// <param name="width">Picture width.</param>
    /// <param name="height">Picture height.</param>
    /// <param name="newline">The learned vector (D).</param>
    /// <returns>(tokens, D).</returns>
    public static float[] MergeSpatialUnpad(
        IReadOnlyList<float[]> tiles, int side, int gridColumns, int width, int height, ReadOnlySpan<float> newline)
    {
        int dim = newline.Length;
        List<float> merged = [.. tiles[0]];
        if (tiles.Count == 1)
        {
            merged.AddRange(newline);
            return [.. merged];
        }

        int gridRows = (tiles.Count - 1) / gridColumns;
        (int top, int left, int rows, int columns) = Unpad(width, height, gridColumns * side, gridRows * side);
        for (int y = top; y < top + rows; y++)
        {
            for (int x = left; x < left + columns; x++)
            {
                float[] tile = tiles[1 + y / side * gridColumns + x / side];
                merged.AddRange(tile.AsSpan((y % side * side + x % side) * dim, dim));
            }

            merged.AddRange(newline);
        }

        return [.. merged];
    }
}
