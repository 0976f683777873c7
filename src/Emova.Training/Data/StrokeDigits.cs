namespace Emova.Training.Data;

/// <summary>Digits, plus and minus as strokes in a unit square, y downwards.</summary>
public static class StrokeDigits
{
    private static readonly Dictionary<string, (double X, double Y)[][]> Strokes = new()
    {
        ["zero"] = [Arc(.5, .5, .34, .44, 0, 360)],
        ["one"] = [[(.3, .24), (.54, .06), (.54, .94)]],
        ["two"] = [[.. Arc(.5, .32, .32, .26, 190, 395), (.18, .94), (.84, .94)]],
        ["three"] = [[.. Arc(.48, .28, .30, .22, 200, 450), .. Arc(.48, .72, .34, .22, 270, 520)]],
        ["four"] = [[(.66, .94), (.66, .06), (.16, .68), (.88, .68)]],
        ["five"] = [[(.80, .06), (.26, .06), (.22, .46), .. Arc(.48, .66, .34, .28, 230, 510)]],
        ["six"] = [[(.70, .06), .. Arc(.62, .62, .44, .42, 215, 180), .. Arc(.5, .67, .32, .27, 180, 540)]],
        ["seven"] = [[(.16, .06), (.84, .06), (.42, .94)]],
        ["eight"] = [Arc(.5, .28, .27, .22, 0, 360), Arc(.5, .71, .34, .24, 0, 360)],
        ["nine"] = [[.. Arc(.5, .33, .32, .27, 0, 360), .. Arc(.38, .38, .44, .42, 0, 35), (.32, .94)]],
        ["plus"] = [[(.5, .26), (.5, .78)], [(.2, .52), (.8, .52)]],
        ["minus"] = [[(.2, .52), (.8, .52)]],
    };

    public static IReadOnlyList<(double X, double Y)[]> Of(string name) => Strokes.TryGetValue(name, out var strokes)
        ? strokes
        : throw new ArgumentException($"digit '{name}': unknown");

    /// <summary>Points on an ellipse; degrees clockwise from the right.</summary>
    private static (double X, double Y)[] Arc(double cx, double cy, double rx, double ry, double from, double to)
    {
        int n = Math.Max(2, (int)(Math.Abs(to - from) / 12));
        return [.. Enumerable.Range(0, n + 1).Select(i =>
        {
            double a = (from + ((to - from) * i / n)) * Math.PI / 180;
            return (cx + (rx * Math.Cos(a)), cy + (ry * Math.Sin(a)));
        })];
    }
}
