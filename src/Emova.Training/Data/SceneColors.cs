namespace Emova.Training.Data;

/// <summary>RGB values of named colors and of backgrounds.</summary>
public static class SceneColors
{
    private static readonly Dictionary<string, int[]> Named = new()
    {
        ["red"] = [222, 36, 36], ["green"] = [40, 158, 58], ["blue"] = [36, 88, 218], ["yellow"] = [250, 215, 30],
        ["purple"] = [136, 52, 172], ["orange"] = [250, 136, 16], ["black"] = [24, 24, 26], ["white"] = [252, 252, 252],
        ["pink"] = [255, 140, 188],
    };

    public static int[][] LightBackgrounds { get; } =
    [
        [248, 248, 244], [236, 242, 250], [238, 248, 236], [252, 244, 230], [246, 238, 248], [232, 236, 238], [250, 238, 236],
    ];

    public static int[][] MediumBackgrounds { get; } = [[168, 182, 196], [176, 190, 172], [190, 180, 194], [172, 176, 182]];

    public static ReadOnlySpan<int> Of(string color) => Named.TryGetValue(color, out int[]? rgb)
        ? rgb
        : throw new ArgumentException($"color '{color}': not one of {string.Join(", ", Named.Keys)}");
}
