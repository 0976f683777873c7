namespace Emova.Training.Data;

/// <summary>
/// Sentences for speech alone: what the answers hold least of and listeners confuse most, digit strings and sums, and
/// long combinations.
/// </summary>
public static class ExtraSentences
{
    public static List<string> Generate(int count, IReadOnlyList<Concept> concepts, ulong seed)
    {
        var random = new DeterministicRandom(DeterministicRandom.Hash("extra sentences", seed));
        var things = new ShuffledCycle<Concept>(concepts, random);
        var sentences = new HashSet<string>();
        while (sentences.Count < count)
            sentences.Add(Draw(things, random));
        return [.. sentences.Order(StringComparer.Ordinal)];
    }

    private static string Draw(ShuffledCycle<Concept> things, DeterministicRandom random)
    {
        string Digit() => Lexicon.Number(random.Next(10));
        string Thing() => things.Next().Name;
        string Colored() => $"{random.Pick(Lexicon.Colors)} {random.Pick(Lexicon.Shapes)}";
        switch (random.Next(10))
        {
            case 0 or 1 or 2:
                return string.Join(' ', Enumerable.Range(0, random.Between(3, 6)).Select(_ => Digit()));
            case 3:
                return $"the numbers are {Digit()} and {Digit()} and {Digit()}";
            case 4:
                return $"{Lexicon.Number(random.Next(21))} {(random.Chance(0.5) ? "plus" : "minus")} {Lexicon.Number(random.Next(21))}";
            case 5:
                return $"{Lexicon.Number(random.Next(21))} is {(random.Chance(0.5) ? "bigger" : "smaller")} than {Lexicon.Number(random.Next(21))}";
            case 6:
                return $"{Thing()} {Thing()} {Thing()} {Thing()}";
            case 7:
                return $"the {Colored()} and the {Thing()} and the {Colored()}";
            case 8:
                return $"the {Thing()} and the {Thing()} and the {Thing()} are in the picture";
            default:
                return $"the {random.Pick(Lexicon.Colors)} bar and the {random.Pick(Lexicon.Colors)} bar are next to the {Thing()}";
        }
    }
}
