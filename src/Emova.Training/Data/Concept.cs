namespace Emova.Training.Data;

/// <summary>A thing that pictures can show by an emoji.</summary>
/// <param name="Name">Spoken name, one or two lower-case words.</param>
/// <param name="Plural">Spoken plural; empty where the thing is never counted.</param>
/// <param name="Glyph">Hexadecimal Unicode code point.</param>
/// <param name="Group">animal, food, fruit, vehicle, ...</param>
/// <param name="Owned">Whether one can lose, buy or get one ("i lost my key").</param>
public sealed record Concept(string Name, string Plural, string Glyph, string Group, bool Owned);
