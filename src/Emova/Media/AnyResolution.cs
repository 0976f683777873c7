namespace Emova.Media;

/// <summary>
/// The geometry of LLaVA-NeXT's any-resolution scheme, used by EMOVA's encoders of one input size: a picture is fitted into the
/// best of a list of grids of square tiles.
/// </summary>
public static class AnyResolution
{
    /// <summary>Grids (columns, rows) of a model that does not list any.</summary>
    private static readonly (int Columns, int Rows)[] DefaultGrids = [(1, 2), (2, 1), (2, 2), (3, 1), (1, 3), (4, 1), (1, 4)];

    /// <summary>The default candidates, in pixels.</summary>
    /// <param name="tileSize">Side of a tile in pixels.</param>
    public static IReadOnlyList<(int Width, int Height)> DefaultCandidates(int tileSize) =>
        [.. DefaultGrids.Select(grid => (grid.Columns * tileSize, grid.Rows * tileSize))];

    /// <summary>Chooses the grid for a picture: most useful pixels, then least waste; ties keep the earlier candidate.</summary>
    /// <param name="width">Picture width.</param>
    /// <param name="height">Picture height.</param>
    /// <param name="candidates">Sizes in pixels, at least one, in the order of the configuration.</param>
    public static (int Width, int Height) Select(int width, int height, IReadOnlyList<(int Width, int Height)> candidates)
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

    /// <summary>Scales a picture into a rectangle, its aspect ratio kept, and centers it there on black.</summary>
    internal static RgbImage Letterbox(RgbImage image, int width, int height)
    {
        double scaleX = (double)width / image.Width, scaleY = (double)height / image.Height;
        int newWidth = width, newHeight = height;
        if (scaleX < scaleY)
            newHeight = (int)Math.Min(Math.Ceiling(image.Height * scaleX), height);
        else
            newWidth = (int)Math.Min(Math.Ceiling(image.Width * scaleY), width);
        RgbImage scaled = BicubicResampler.Resize(image, newWidth, newHeight);
        return new ImageWindow(scaled, -((width - newWidth) / 2), -((height - newHeight) / 2), width, height).ToImage();
    }
}
