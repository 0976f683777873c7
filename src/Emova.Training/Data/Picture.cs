namespace Emova.Training.Data;

/// <summary>What a picture shows, as people would put it; the drawn <see cref="Scene"/> goes with it.</summary>
/// <param name="Kind">single, count, pair, relation, compare, groups, row, digit, digits, sum, numbers, face, meeting or bars.</param>
/// <param name="Items">The things, left to right or top to bottom.</param>
/// <param name="Scene">The layout to draw.</param>
/// <param name="Combinations">Keys of <see cref="SplitRule.OfCombination"/>.</param>
/// <param name="Horizontal">Whether several things stand side by side rather than one above the other.</param>
public sealed record Picture(
    string Kind, IReadOnlyList<PictureItem> Items, Scene Scene, IReadOnlyList<string> Combinations, bool Horizontal = true);

/// <summary>One thing, or several of one kind.</summary>
/// <param name="Name">"cat", "red circle", "seven", "happy" (a face), "red bar".</param>
/// <param name="Plural">Empty where it is never counted.</param>
/// <param name="Noun">The name without its color.</param>
/// <param name="Color">Color of shapes, digits and bars.</param>
/// <param name="Group">Concept group; "shape" for shapes.</param>
/// <param name="Count">How many.</param>
/// <param name="Place">left, right, top, bottom or middle.</param>
/// <param name="Size">big, small, or null where nothing tells.</param>
/// <param name="Value">Value of a digit or height of a bar.</param>
public sealed record PictureItem(
    string Name, string Plural, string Noun, string? Color, string Group,
    int Count = 1, string Place = "middle", string? Size = null, int Value = 0)
{
    /// <summary>Combination keys of "three cats"; null for a single thing.</summary>
    public string[]? CountKeys => Count == 1 ? null : Color is null ? [$"{Name} x{Count}"] : [Name, $"{Name} x{Count}"];
}
