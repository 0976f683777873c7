using Emova.Training.Data;

namespace Emova.Training.Stages.Language;

/// <summary>Says in words what a scene holds, for the stage that teaches language before pictures.</summary>
public static class SceneDescription
{
    private static readonly string[] Numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

    /// <summary>One line per object in reading order: color, concept, place, height, width.</summary>
    public static string Of(Scene scene) => string.Join("\n", scene.Objects
        .OrderBy(o => Band(Middle(o, 1), scene.Height)).ThenBy(o => Middle(o, 0))
        .Select(o => Line(o, scene)));

    /// <summary>What is said of one object of the scene.</summary>
    public static string Line(SceneObject item, Scene scene) => $"{(item.Color is null ? "" : item.Color + " ")}{item.Concept} {Place(item, scene)}";

    private static double Middle(SceneObject item, int axis) => (item.Box[axis] + item.Box[axis + 2]) / 2.0;

    private static int Band(double middle, int size) => Math.Clamp((int)(3 * middle / size), 0, 2);

    private static string Place(SceneObject item, Scene scene)
    {
        string row = Band(Middle(item, 1), scene.Height) switch { 0 => "top", 1 => "middle", _ => "bottom" };
        string column = Band(Middle(item, 0), scene.Width) switch { 0 => "left", 1 => "middle", _ => "right" };
        return item.Class == "bar" ? $"{column} {Tenths(item.Box[3] - item.Box[1], scene.Height)}" : $"{row} {column} {Tenths(item.Box[3] - item.Box[1], scene.Height)}";
    }

    /// <summary>A length in tenths of the picture, as a word of the corpus.</summary>
    private static string Tenths(double length, double size) => Numbers[Math.Clamp((int)Math.Round(10 * length / size), 0, 9)];
}
