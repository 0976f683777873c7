namespace Emova.Training.Data;

/// <summary>
/// What makes two pictures the same for the purpose of splitting, read off the drawn objects alone: what is on them and,
/// for a lone thing, where and how large. Independent of the generator's own bookkeeping, so that it can check it.
/// </summary>
public static class SceneSignature
{
    public static string Of(Scene scene)
    {
        string names = scene.Objects[0].Class == "digit"
            ? string.Join(' ', scene.Objects.Select(o => o.Concept)) + (IsLoneNumber(scene) ? " " + scene.Objects[0].Color : "")
            : string.Join(" + ", scene.Objects.Select(Name).Order(StringComparer.Ordinal));
        if (scene.Objects.Count > 1 || scene.Objects[0].Class == "digit")
            return names;
        int[] box = scene.Objects[0].Box;
        int side = box[2] - box[0];
        string size = side >= 96 ? "big" : side <= 60 ? "small" : "medium";
        return $"{names} {Place((box[0] + box[2]) / 2.0, scene.Width)} {Place((box[1] + box[3]) / 2.0, scene.Height)} {size}{scene.Objects[0].Glyph}";
    }

    private static bool IsLoneNumber(Scene scene) =>
        scene.Objects.Count <= 2 && scene.Objects.All(o => o.Color == scene.Objects[0].Color);

    private static string Name(SceneObject o) => o.Color is null ? $"{o.Class} {o.Concept}" : $"{o.Class} {o.Color} {o.Concept}";

    private static string Place(double center, int length) =>
        center < (length / 2.0) - 6 ? "low" : center > (length / 2.0) + 6 ? "high" : "mid";
}
