using Emova.Training.Data;

namespace Emova.Training.Stages.Vision;

/// <summary>What the encoder should say about one picture: per cell of 28 x 28 pixels, and for the whole.</summary>
public sealed class SceneTargets
{
    /// <summary>Side of a merged cell in pixels.</summary>
    public const int CellSize = 28;

    /// <summary>Counts above this one share a class.</summary>
    public const int MaxCount = 9;

    /// <summary>Cells that an object covers by less than this part are background unless they hold its center.</summary>
    private const double MinCover = 0.2;

    public SceneTargets(Scene scene, SceneLabels labels, int shiftX = 0, int shiftY = 0)
    {
        Rows = scene.Height / CellSize;
        Columns = scene.Width / CellSize;
        int cells = Rows * Columns;
        (Concept, Color, HoldsCenter, Box) = (new long[cells], new long[cells], new float[cells], new float[cells * 4]);
        double[] cover = new double[cells];
        foreach (SceneObject item in scene.Objects)
        {
            double x0 = item.Box[0] + shiftX, y0 = item.Box[1] + shiftY, x1 = item.Box[2] + shiftX, y1 = item.Box[3] + shiftY;
            double centerX = (x0 + x1) / 2, centerY = (y0 + y1) / 2;
            for (int cell = 0; cell < cells; cell++)
            {
                double left = cell % Columns * CellSize, top = cell / Columns * CellSize;
                double width = Math.Min(x1, left + CellSize) - Math.Max(x0, left), height = Math.Min(y1, top + CellSize) - Math.Max(y0, top);
                if (width <= 0 || height <= 0)
                {
                    continue;
                }

                bool center = centerX >= left && centerX < left + CellSize && centerY >= top && centerY < top + CellSize;
                double part = (width * height / (CellSize * CellSize)) + (center ? 1 : 0);
                if (part < MinCover || part <= cover[cell])
                {
                    continue;
                }

                cover[cell] = part;
                Concept[cell] = labels.Concept(item);
                Color[cell] = labels.Color(item);
                HoldsCenter[cell] = center ? 1 : 0;
                Box[cell * 4] = (float)((centerX - left - (CellSize / 2)) / CellSize);
                Box[(cell * 4) + 1] = (float)((centerY - top - (CellSize / 2)) / CellSize);
                Box[(cell * 4) + 2] = (float)Math.Log((x1 - x0) / CellSize);
                Box[(cell * 4) + 3] = (float)Math.Log((y1 - y0) / CellSize);
            }
        }

        Count = Math.Min(scene.Objects.Count, MaxCount);
        Present = [.. scene.Objects.Select(labels.Concept).Where(c => c > 0).Distinct()];
        SceneObject[] bars = [.. scene.Objects.Where(o => o.Class == "bar").OrderByDescending(o => o.Box[3] - o.Box[1])];
        (TallestBar, ShortestBar) = bars.Length > 0 ? (labels.Color(bars[0]), labels.Color(bars[^1])) : (0, 0);
    }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Class of the object that covers each cell best, 0 = nothing. (cells)</summary>
    public long[] Concept { get; }

    /// <summary>Its color class, 0 = none. (cells)</summary>
    public long[] Color { get; }

    /// <summary>1 where the center of that object lies in the cell. (cells)</summary>
    public float[] HoldsCenter { get; }

    /// <summary>Center relative to the cell's center, and log width and height, all in cells. (cells * 4)</summary>
    public float[] Box { get; }

    /// <summary>Number of objects, at most <see cref="MaxCount"/>.</summary>
    public int Count { get; }

    /// <summary>Concept classes that occur.</summary>
    public int[] Present { get; }

    /// <summary>Color class of the tallest bar, 0 = no bars.</summary>
    public long TallestBar { get; }

    /// <summary>Color class of the shortest bar, 0 = no bars.</summary>
    public long ShortestBar { get; }
}
