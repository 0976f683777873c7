namespace Emova.Training.Data;

/// <summary>A rotated box on the canvas and the map from pixels to its unit square.</summary>
public readonly struct PlacedBox
{
    private readonly double _cx, _cy, _cos, _sin;

    public PlacedBox(int[] box, double angle)
    {
        Width = Math.Max(1, box[2] - box[0]);
        Height = Math.Max(1, box[3] - box[1]);
        (_cx, _cy) = ((box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0);
        (_sin, _cos) = Math.SinCos(angle * Math.PI / 180);
    }

    public double Width { get; }

    public double Height { get; }

    /// <summary>Pixel rectangle that holds the rotated box and a margin, cut to the canvas.</summary>
    public (int X0, int Y0, int X1, int Y1) Bounds(int canvasWidth, int canvasHeight, double margin)
    {
        double rx = ((Math.Abs(_cos) * Width) + (Math.Abs(_sin) * Height)) / 2;
        double ry = ((Math.Abs(_sin) * Width) + (Math.Abs(_cos) * Height)) / 2;
        return (
            Math.Max(0, (int)Math.Floor(_cx - rx - margin)), Math.Max(0, (int)Math.Floor(_cy - ry - margin)),
            Math.Min(canvasWidth, (int)Math.Ceiling(_cx + rx + margin)), Math.Min(canvasHeight, (int)Math.Ceiling(_cy + ry + margin)));
    }

    /// <summary>Pixel position to box coordinates in pixels, origin at the box's top left corner.</summary>
    public (double X, double Y) ToBox(double x, double y)
    {
        double dx = x - _cx, dy = y - _cy;
        return ((dx * _cos) + (dy * _sin) + (Width / 2), (dy * _cos) - (dx * _sin) + (Height / 2));
    }
}
