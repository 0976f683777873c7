namespace Emova.Models.Vision;

/// <summary>How the features of a picture's tiles become one sequence (<c>mm_patch_merge_type</c>).</summary>
public enum PatchMergeType
{
    /// <summary>One tile after the other.</summary>
    Flat,

    /// <summary>The whole picture, then the tiles laid out as one map, row by row.</summary>
    Spatial,

    /// <summary>As <see cref="Spatial"/>, the map without its letterbox border and with a learned vector at the end of every row.</summary>
    SpatialUnpad,
}

/// <summary>
/// Assembles the features of a picture that was encoded in tiles (LLaVA-NeXT's any-resolution scheme): those of the whole
/// picture, then those of its grid.
/// </summary>
public static class TileMerge
{
    /// <summary>The part of a feature map that is not letterbox border.</summary>
    /// <param name="width">Picture width.</param>
    /// <param name="height">Picture height.</param>
    /// <param name="columns">Map columns.</param>
    /// <param name="rows">Map rows.</param>
    /// <returns>The first row and column and the size of the part; a picture much longer than the map may have none.</returns>
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

    /// <summary>Merges the tiles of one picture. A single tile is followed by one newline vector, if the type has any.</summary>
    /// <param name="type">The way.</param>
    /// <param name="tiles">Features of the whole picture and of each tile, row by row of the grid; each (side * side, D).</param>
    /// <param name="side">Tokens per tile side.</param>
    /// <param name="gridColumns">Tiles per grid row.</param>
    /// <param name="width">Picture width.</param>
    /// <param name="height">Picture height.</param>
    /// <param name="dim">Width D.</param>
    /// <param name="newline">The learned vector (D); used by <see cref="PatchMergeType.SpatialUnpad"/> only.</param>
    /// <returns>(tokens, D).</returns>
    public static float[] Merge(
        PatchMergeType type, IReadOnlyList<float[]> tiles, int side, int gridColumns, int width, int height, int dim, ReadOnlySpan<float> newline)
    {
        if (type != PatchMergeType.SpatialUnpad)
            newline = default;
        if (type == PatchMergeType.Flat || tiles.Count == 1)
            return [.. tiles.SelectMany(tile => tile), .. newline];

        int mapColumns = gridColumns * side, mapRows = (tiles.Count - 1) / gridColumns * side;
        (int top, int left, int rows, int columns) =
            type == PatchMergeType.SpatialUnpad ? Unpad(width, height, mapColumns, mapRows) : (0, 0, mapRows, mapColumns);
        float[] merged = new float[tiles[0].Length + rows * (columns * dim + newline.Length)];
        tiles[0].CopyTo(merged, 0);
        Span<float> rest = merged.AsSpan(tiles[0].Length);
        for (int y = top; y < top + rows; y++)
        {
            for (int x = left; x < left + columns; x++)
            {
                float[] tile = tiles[1 + y / side * gridColumns + x / side];
                tile.AsSpan((y % side * side + x % side) * dim, dim).CopyTo(rest);
                rest = rest[dim..];
            }

            newline.CopyTo(rest);
            rest = rest[newline.Length..];
        }

        return merged;
    }
}
