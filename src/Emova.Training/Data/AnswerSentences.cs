namespace Emova.Training.Data;

/// <summary>
/// Answers that no dialogue gives, about things that never meet in one: the dialogues repeat a few hundred combinations, and a model that
/// hears only those learns them by heart instead of how each word sounds between any others.
/// </summary>
public static class AnswerSentences
{
    /// <summary>Draws different sentences.</summary>
    /// <param name="count">how many</param>
    /// <param name="concepts">what they speak of</param>
    /// <param name="allowed">whether a sentence may be said: new, and not held out</param>
    /// <param name="seed">seed of the corpus</param>
    public static List<string> Generate(int count, IReadOnlyList<Concept> concepts, Predicate<string> allowed, ulong seed)
    {
        var random = new DeterministicRandom(DeterministicRandom.Hash("answer sentences", seed));
        var things = new ShuffledCycle<Concept>(concepts, random);
        var sentences = new HashSet<string>();
        var ordered = new List<string>();
        while (ordered.Count < count)
        {
            string sentence = Draw(things, random);
            if (allowed(sentence) && sentences.Add(sentence))
                ordered.Add(sentence);
        }
        return ordered;
    }

    private static string Draw(ShuffledCycle<Concept> things, DeterministicRandom random)
    {
        string Color() => random.Pick(Lexicon.Colors);
        string Colored() => $"{Color()} {random.Pick(Lexicon.Shapes)}";
        string Thing() => random.Chance(0.2) ? Colored() : things.Next().Name;
        string With(string name) => Lexicon.WithArticle(name);
        string Digit() => Lexicon.Number(random.Next(10));
        Concept Countable()
        {
            Concept thing;
            do
                thing = things.Next();
            while (thing.Plural.Length == 0);
            return thing;
        }
        string Counted()
        {
            int n = random.Between(1, 9);
            if (random.Chance(0.2))
                return $"{Lexicon.Number(n)} {Colored()}{(n == 1 ? "" : "s")}";
            Concept thing = Countable();
            return Lexicon.Counted(n, thing.Name, thing.Plural);
        }
        string Place() => Lexicon.At(random.Pick<string>(["left", "right", "top", "bottom", "middle"]));
        string Be(string name) => Lexicon.Is(name);
        string a = Thing(), b = Thing();
        switch (random.Next(14))
        {
            case 0:
                return $"i see {With(a)} and {With(b)}";
            case 1:
                return $"i see {With(a)} and {With(b)} and {With(Thing())}";
            case 2:
                return $"i see {Counted()} and {Counted()}";
            case 3:
                return $"the {a} {Be(a)} {Place()}";
            case 4:
                return $"the {a} {Be(a)} {random.Pick<string>(["left of", "right of", "above", "below"])} the {b}";
            case 5:
                return $"the {a} {Be(a)} {random.Pick<string>(["bigger", "smaller"])} than the {b}";
            case 6:
                return $"there are {Counted()}";
            case 7:
                return $"i see {Digit()} {Digit()} {Digit()}";
            case 8:
                Concept more = Countable(), fewer = Countable();
                return $"there are more {more.Plural} than {fewer.Plural}";
            case 9:
                return $"the face next to the {a} looks {random.Pick(Lexicon.Emotions)}";
            case 10:
                return $"the {Color()} bar is {random.Pick<string>(["taller", "shorter"])} than the {Color()} bar";
            case 11:
                return $"no i do not see {With(a)}";
            case 12:
                return $"{(random.Chance(0.5) ? "yes" : "no")} {Lexicon.This(a)} {With(a)}";
            default:
                return $"i do not know {(random.Chance(0.5) ? $"how old the {a} {Be(a)}" : $"who made the {a}")}";
        }
    }
}
