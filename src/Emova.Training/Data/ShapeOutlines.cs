namespace Emova.Training.Data;

/// <summary>Outlines of the shapes as polygons in a unit square, y downwards.</summary>
public static class ShapeOutlines
{
    private static readonly Dictionary<string, (double X, double Y)[]> Outlines = new()
    {
        ["circle"] = Ring(48, _ => .48),
        ["square"] = [(.08, .08), (.92, .08), (.92, .92), (.08, .92)],
        ["triangle"] = [(.5, .06), (.96, .9), (.04, .9)],
        ["diamond"] = [(.5, .02), (.86, .5), (.5, .98), (.14, .5)],
        ["star"] = Ring(10, i => i % 2 == 0 ? .5 : .2),
        ["heart"] = Heart(),
        ["bar"] = [(0, 0), (1, 0), (1, 1), (0, 1)],
    };

    public static (double X, double Y)[] Of(string name) => Outlines.TryGetValue(name, out var outline)
        ? outline
        : throw new ArgumentException($"shape '{name}': not one of {string.Join(", ", Outlines.Keys)}");

    private static (double X, double Y)[] Ring(int count, Func<int, double> radius) =>
        [.. Enumerable.Range(0, count).Select(i =>
        {
            double a = (2 * Math.PI * i / count) - (Math.PI / 2);
            return (.5 + (radius(i) * Math.Cos(a)), .5 + (radius(i) * Math.Sin(a)));
        })];

    /// <summary>The classic curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t.</summary>
    private static (double X, double Y)[] Heart() =>
        [.. Enumerable.Range(0, 40).Select(i =>
        {
            double t = 2 * Math.PI * i / 40;
            double x = 16 * Math.Pow(Math.Sin(t), 3);
            double y = (13 * Math.Cos(t)) - (5 * Math.Cos(2 * t)) - (2 * Math.Cos(3 * t)) - Math.Cos(4 * t);
            return (.5 + (x / 35), .46 - (y / 35));
        })];
}
