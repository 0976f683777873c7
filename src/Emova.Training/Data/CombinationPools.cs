namespace Emova.Training.Data;

/// <summary>Things that appear together. <see cref="Horizontal"/> is null where the arrangement is free.</summary>
public sealed record Combination(IReadOnlyList<PictureItem> Items, bool? Horizontal = null)
{
    /// <summary>One key for each unordered pair of things, and one for each colored shape.</summary>
    public static string[] PairKeys(IReadOnlyList<PictureItem> items)
    {
        var keys = new List<string>();
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i].Group == "shape")
                keys.Add(items[i].Name);
            for (int j = i + 1; j < items.Count; j++)
                keys.Add(string.CompareOrdinal(items[i].Name, items[j].Name) < 0 ? $"{items[i].Name}+{items[j].Name}" : $"{items[j].Name}+{items[i].Name}");
        }
        return [.. keys];
    }
}

/// <summary>Sizes of the pools: they bound how many different sentences have to be rendered.</summary>
public sealed class PoolSizes
{
    public int Pairs { get; set; } = 420;

    public int ShapePairs { get; set; } = 110;

    public int MixedPairs { get; set; } = 110;

    public int Relations { get; set; } = 200;

    public int ShapeRelations { get; set; } = 50;

    public int Comparisons { get; set; } = 120;

    public int Groups { get; set; } = 160;

    public int Rows { get; set; } = 260;

    public int DigitStrings { get; set; } = 420;

    public int Meetings { get; set; } = 160;

    /// <summary>Size of a held-out pool as a share of the training pool; 0 = there is none.</summary>
    public double HeldOut { get; set; } = 0.1;
}

/// <summary>
/// Fixed lists of things that may appear together, per split. Without them every picture of two things would need a
/// sentence of its own, and every sentence has to be rendered.
/// </summary>
public sealed class CombinationPools
{
    private readonly Dictionary<string, string> _glyphs;
    private readonly SplitRule _rule;
    private readonly DeterministicRandom _random;
    private readonly ShuffledCycle<PictureItem> _things;
    private readonly PictureItem[] _countable;
    private readonly PictureItem[] _shapes;
    private readonly PictureItem[] _painted;

    /// <param name="concepts">what pictures can show</param>
    /// <param name="rule">decides what belongs to which split</param>
    /// <param name="sizes">sizes of the pools</param>
    /// <param name="random">source of everything random</param>
    /// <param name="painted">
    /// whether three of four colored shapes are things painted in one color instead ("a purple cat"): among a thousand such combinations
    /// the few that are held out are no pattern to learn, as they are among the 54 colored shapes
    /// </param>
    public CombinationPools(IReadOnlyList<Concept> concepts, SplitRule rule, PoolSizes sizes, DeterministicRandom random, bool painted = false)
    {
        _glyphs = concepts.ToDictionary(c => c.Name, c => c.Glyph);
        (_rule, _random) = (rule, random);
        Dictionary<string, List<Combination>> Build(int count, Func<Combination> draw) => Fill(count, draw, sizes.HeldOut);
        _things = new ShuffledCycle<PictureItem>([.. concepts.Select(PictureComposer.Thing)], random);
        _countable = [.. concepts.Where(c => c.Plural.Length > 0).Select(PictureComposer.Thing)];
        _shapes = [.. from c in Lexicon.Colors from s in Lexicon.Shapes select PictureComposer.Shape(c, s)];
        _painted = painted ? [.. from color in Lexicon.Colors from c in concepts where c.Plural.Length > 0 select PictureComposer.Painted(color, c)] : [];
        Pairs = Merge(Build(sizes.Pairs, () => new([_things.Next(), _things.Next()])),
            Build(sizes.ShapePairs, () => new([AnyShape(), AnyShape()])),
            Build(sizes.MixedPairs, () => new([_things.Next(), AnyShape()])));
        Relations = Merge(Build(sizes.Relations, () => new([_things.Next(), _things.Next()], _random.Chance(0.5))),
            Build(sizes.ShapeRelations, () => new([AnyShape(), AnyShape()], _random.Chance(0.5))));
        Comparisons = Build(sizes.Comparisons, () => new([_things.Next(), _things.Next()]));
        Groups = Build(sizes.Groups, () => NewGroups());
        Rows = Build(sizes.Rows, () => new([_things.Next(), _things.Next(), _things.Next()]));
        // Only a thousand strings of three digits exist, a few dozen of them held out.
        DigitStrings = Fill(sizes.DigitStrings, () => new([Digit(), Digit(), Digit()]), Math.Min(0.06, sizes.HeldOut));
        Meetings = Fill(sizes.Meetings, () => new([_things.Next(), PictureComposer.FaceItem(_random.Pick(Lexicon.Emotions))]), Math.Min(0.12, 1.2 * sizes.HeldOut));
    }

    public IReadOnlyDictionary<string, List<Combination>> Pairs { get; }

    public IReadOnlyDictionary<string, List<Combination>> Relations { get; }

    public IReadOnlyDictionary<string, List<Combination>> Comparisons { get; }

    public IReadOnlyDictionary<string, List<Combination>> Groups { get; }

    public IReadOnlyDictionary<string, List<Combination>> Rows { get; }

    public IReadOnlyDictionary<string, List<Combination>> DigitStrings { get; }

    public IReadOnlyDictionary<string, List<Combination>> Meetings { get; }

    public string Glyph(string concept) => _glyphs[concept];

    public Combination Pick(IReadOnlyDictionary<string, List<Combination>> pool, string split, DeterministicRandom random) =>
        random.Pick(pool[split]);

    /// <summary>A colored shape, or where the pools hold them a painted thing.</summary>
    public PictureItem AnyShape(DeterministicRandom random) =>
        _painted.Length > 0 && random.Chance(0.75) ? random.Pick(_painted)
        : PictureComposer.Shape(random.Pick(Lexicon.Colors), random.Pick(Lexicon.Shapes));

    private PictureItem AnyShape() => _painted.Length > 0 && _random.Chance(0.75) ? _random.Pick(_painted) : _random.Pick(_shapes);

    private PictureItem Digit()
    {
        int value = _random.Next(10);
        return new PictureItem(Lexicon.Number(value), "", "number", null, "digit", Value: value);
    }

    private Combination NewGroups()
    {
        PictureItem a = _random.Pick(_countable), b = _random.Chance(0.8) ? _random.Pick(_countable) : AnyShape();
        int n = _random.Between(2, 4);
        PictureItem[] items = [a with { Count = n }, b with { Count = _random.Between(1, Math.Min(4, 6 - n)) }];
        // The larger group is named first, so that the right answer can be told from the picture.
        return new([.. items.OrderByDescending(i => i.Count).ThenBy(i => i.Name, StringComparer.Ordinal)]);
    }

    /// <summary>Draws combinations until every split has its share; the rule decides where each one belongs.</summary>
    private Dictionary<string, List<Combination>> Fill(int trainCount, Func<Combination> draw, double share)
    {
        var pool = SplitRule.Splits.ToDictionary(s => s, _ => new List<Combination>());
        int heldOut = share == 0 ? 0 : Math.Max(12, (int)(trainCount * share));
        var seen = new HashSet<string>();
        for (int tries = 0; tries < 1_000_000; tries++)
        {
            if (pool[SplitRule.Train].Count >= trainCount && pool[SplitRule.Validation].Count >= heldOut && pool[SplitRule.Test].Count >= heldOut)
                return pool;
            Combination c = draw();
            if (c.Items[0].Group != "digit" && c.Items.Select(i => i.Noun).Distinct().Count() < c.Items.Count)
                continue;
            string? split = _rule.OfScene(Keys(c.Items));
            if (split is null || pool[split].Count >= (split == SplitRule.Train ? trainCount : heldOut))
                continue;
            if (seen.Add(string.Join('+', c.Items.Select(i => i.Name))))
                pool[split].Add(c);
        }
        throw new InvalidOperationException($"a pool of {trainCount} combinations could not be filled; choose smaller pools");
    }

    private static string[] Keys(IReadOnlyList<PictureItem> items) =>
        items[0].Group == "digit" ? ["digits " + string.Concat(items.Select(i => i.Value))]
        : items[^1].Group == "face" ? [$"{items[0].Name}+face {items[1].Name}"]
        : Combination.PairKeys(items);

    private static Dictionary<string, List<Combination>> Merge(params Dictionary<string, List<Combination>>[] pools) =>
        SplitRule.Splits.ToDictionary(s => s, s => pools.SelectMany(p => p[s]).ToList());
}
