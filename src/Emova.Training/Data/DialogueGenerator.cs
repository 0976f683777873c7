namespace Emova.Training.Data;

/// <summary>Generates conversations of one split; every sentence and scene combination in them belongs to that split.</summary>
public sealed class DialogueGenerator
{
    private static readonly (string Kind, double Weight)[] PictureKinds =
    [
        ("single", 24), ("shape", 7), ("count", 10), ("shape-count", 4), ("pair", 12), ("relation", 8), ("compare", 5),
        ("groups", 6), ("row", 6), ("digit", 5), ("digits", 4), ("sum", 8), ("numbers", 3), ("face", 3), ("meeting", 3), ("bars", 6),
    ];

    /// <summary>Typed conversations practice what a few words must tell apart: colored shapes, digits, bars.</summary>
    private static readonly (string Kind, double Weight)[] TypedPictureKinds =
    [
        ("single", 16), ("shape", 12), ("count", 11), ("shape-count", 8), ("pair", 11), ("relation", 9), ("compare", 5),
        ("groups", 8), ("row", 6), ("digit", 5), ("digits", 8), ("sum", 10), ("numbers", 5), ("face", 2), ("meeting", 4), ("bars", 9),
    ];

    /// <summary>Typed conversations about colored shapes and things painted in one color.</summary>
    private static readonly (string Kind, double Weight)[] PaintedPictureKinds = [("shape", 14), ("shape-count", 9), ("pair", 16), ("relation", 9), ("groups", 6)];

    private static readonly (string Kind, double Weight)[] DialogueKinds =
    [
        ("picture", 59), ("followup", 15), ("talk", 4), ("news", 7), ("wish", 8), ("echo", 2), ("sum", 5),
    ];

    private readonly string _split;
    private readonly SplitRule _rule;
    private readonly ulong _seed;
    private readonly DeterministicRandom _random;
    private readonly PictureComposer _composer;
    private readonly PictureQuestions _questions;
    private readonly SmallTalk _talk;

    /// <param name="split">train, validation or test</param>
    /// <param name="concepts">what pictures can show</param>
    /// <param name="pools">which things may appear together</param>
    /// <param name="rule">decides what belongs to the split</param>
    /// <param name="seed">seed of the corpus</param>
    /// <param name="series">name of the series of random numbers: another series gives other dialogues of the same split</param>
    public DialogueGenerator(string split, IReadOnlyList<Concept> concepts, CombinationPools pools, SplitRule rule, ulong seed, string series = "dialogues")
    {
        (_split, _rule, _seed) = (split, rule, seed);
        _random = new DeterministicRandom(DeterministicRandom.Hash($"{series} {split}", seed));
        _composer = new PictureComposer(concepts, pools, _random);
        _questions = new PictureQuestions(concepts, name => split != SplitRule.Train || rule.OfSentence(name) == split || !name.Contains(' '), _random);
        _talk = new SmallTalk(concepts, _random);
    }

    public IEnumerable<Dialogue> Generate(int count)
    {
        for (int i = 0; i < count;)
        {
            string kind = Weighted(DialogueKinds);
            Dialogue? dialogue = kind switch
            {
                "picture" => AboutPicture($"{_split}-{i:00000}", 1),
                "followup" => AboutPicture($"{_split}-{i:00000}", _random.Between(2, 3)),
                "wish" => AboutPicture($"{_split}-{i:00000}", 1, wish: true),
                "echo" => Echo($"{_split}-{i:00000}"),
                "sum" => WithoutPicture($"{_split}-{i:00000}", () => SumQuestions.Spoken(_random)),
                "news" => WithoutPicture($"{_split}-{i:00000}", _talk.AboutThings),
                _ => WithoutPicture($"{_split}-{i:00000}", _talk.FromList),
            };
            if (dialogue is null)
                continue;
            yield return dialogue;
            i++;
        }
    }

    /// <summary>
    /// Conversations of two to five questions about one picture that are only ever typed, so nothing has to be rendered. One picture
    /// answers several questions: half the tokens per answer of a conversation with one.
    /// </summary>
    public IEnumerable<Dialogue> GenerateTyped(int count) => Typed(count, "typed", TypedPictureKinds);

    /// <summary>The same about colored shapes and, with pools that hold them, painted things.</summary>
    public IEnumerable<Dialogue> GeneratePainted(int count) => Typed(count, "painted", PaintedPictureKinds);

    private IEnumerable<Dialogue> Typed(int count, string name, (string Kind, double Weight)[] kinds)
    {
        for (int i = 0; i < count;)
        {
            if (AboutPicture($"{_split}-{name}-{i:00000}", most: _random.Between(3, 5), least: 2, typed: kinds) is not { } dialogue)
                continue;
            yield return dialogue;
            i++;
        }
    }

    /// <summary>
    /// More dialogues about concepts that fewer than <paramref name="minimum"/> pictures show. They repeat sentences of
    /// <paramref name="existing"/>, so nothing more has to be rendered.
    /// </summary>
    public IEnumerable<Dialogue> TopUp(IReadOnlyList<Dialogue> existing, IReadOnlyList<Concept> concepts, int minimum)
    {
        var questions = existing.SelectMany(d => d.Turns).Select(t => t.User.Text).ToHashSet();
        var replies = existing.SelectMany(d => d.Turns).Select(t => t.Reply.Text).ToHashSet();
        var pictures = existing.Where(d => d.Scene is not null)
            .SelectMany(d => d.Scene!.Objects.Select(o => o.Concept).Distinct()).CountBy(name => name).ToDictionary();
        int number = existing.Count;
        foreach (Concept concept in concepts)
        {
            for (int missing = minimum - pictures.GetValueOrDefault(concept.Name); missing > 0;)
            {
                Picture picture = _composer.OneThing(PictureComposer.Thing(concept));
                if (_rule.OfScene(picture.Combinations) != _split || Choose(_questions.About(picture)) is not { } exchange
                    || !replies.Contains(exchange.Reply) || Ask(exchange, later: false) is not { } turn || !questions.Contains(turn.User.Text))
                    continue;
                yield return new Dialogue($"{_split}-{number++:00000}", exchange.Task, picture.Scene, [turn]);
                missing--;
            }
        }
    }

    private Dialogue? AboutPicture(string id, int most, int? least = null, bool wish = false, (string Kind, double Weight)[]? typed = null)
    {
        const int tries = 200;
        string kind = Weighted(typed ?? PictureKinds);
        for (int attempt = 0; attempt < tries; attempt++)
        {
            Picture picture = _composer.Compose(kind, _split);
            if (_rule.OfScene(picture.Combinations) != _split)
                continue;
            var turns = new List<DialogueTurn>();
            string? task = null;
            var exchanges = _questions.About(picture);
            while (turns.Count < most && Choose(exchanges, typed is not null) is { } exchange)
            {
                exchanges.Remove(exchange);
                if (turns.Any(t => t.Reply.Text == exchange.Reply))
                    continue;
                DialogueTurn? turn = wish ? Wished(exchange) : Ask(exchange, later: turns.Count > 0, typed: typed is not null);
                if (turn is null || (typed is not null && !Alternatives.InTraining(turn.User.Text, turn.Reply.Text, _rule)))
                    continue;
                turns.Add(turn);
                task ??= wish ? "style-wish" : most > 1 ? "followup" : exchange.Task;
            }
            if (turns.Count >= (least ?? most))
                return new Dialogue(id, task!, picture.Scene, turns);
        }
        return null;
    }

    private Dialogue? WithoutPicture(string id, Func<Exchange> draw)
    {
        for (int attempt = 0; attempt < 2000; attempt++)
        {
            Exchange exchange = draw();
            if (Allowed(exchange) && Ask(exchange, later: false, picture: false) is { } turn)
                return new Dialogue(id, exchange.Task, null, [turn]);
        }
        return null;
    }

    private Dialogue? Echo(string id)
    {
        for (int attempt = 0; attempt < 4000; attempt++)
        {
            Picture picture = _composer.Compose(Weighted(PictureKinds), _split);
            // Without a picture nothing about it leaks, so any picture will do as a source of sentences.
            if (Choose(_questions.About(picture)) is not { } source || Wording.Echo(source.Reply, _seed, everything: _split != SplitRule.Train) is not { } echo)
                continue;
            if (_rule.OfQuestion(echo.Question) == _split)
                return new Dialogue(id, echo.Task, null, [Turn(echo.Question, echo, echo.Emotion, "normal")]);
        }
        return null;
    }

    /// <summary>A weighted choice among the exchanges whose answer belongs to the split.</summary>
    private Exchange? Choose(List<Exchange> exchanges, bool typed = false)
    {
        var allowed = exchanges.Where(e => e.Weight > 0 && Allowed(e, typed)).ToList();
        return allowed.Count == 0 ? null : allowed[WeightedIndex([.. allowed.Select(e => e.Weight)])];
    }

    private bool Allowed(Exchange e, bool typed = false) =>
        _rule.OfReply(e) == _split
        && (_split != SplitRule.Train || e.Pinned || typed || DeterministicRandom.Fraction(e.Reply, _seed + 10) < e.Keep);

    private DialogueTurn? Ask(Exchange e, bool later, bool picture = true, bool typed = false)
    {
        if (later && e.FollowUp is not null && _random.Chance(0.75) && PickWording(e.FollowUp, e.Open && e.FollowUp.Split(' ').Length > 4, picture: false, typed) is { } elliptic)
            return Turn(elliptic, e, e.Emotion, "normal");
        return PickWording(e.Question, e.Open, picture && !later, typed) is { } text ? Turn(text, e, e.Emotion, "normal") : null;
    }

    private string? PickWording(string core, bool open, bool picture, bool typed = false)
    {
        // The plain form of a common question is what people say most: it is always learned.
        string SplitOf(string text) => !open && text == core ? SplitRule.Train : _rule.OfQuestion(text);
        if (_split != SplitRule.Train)
        {
            // Any wording that training does not have will do, but only a few of each: they all have to be rendered.
            string[] heldOut = [.. Wording.AllVariants(core, picture).Where(v => SplitOf(v) == _split).Take(open ? 1 : 3)];
            return heldOut.Length == 0 ? null : _random.Pick(heldOut);
        }
        var variants = (typed ? Wording.AllVariants(core, picture) : Wording.Variants(core, open, picture, _seed)).Where(v => SplitOf(v) == _split).ToList();
        return variants.Count == 0 ? null : variants[0] == core && _random.Chance(0.3) ? core : _random.Pick(variants);
    }

    private DialogueTurn? Wished(Exchange e)
    {
        Wording.Wish wish = _random.Pick(Wording.Wishes);
        return Wording.WithWish(e, wish, _seed, everything: _split != SplitRule.Train) is { } text && _rule.OfQuestion(text) == _split
            ? Turn(text, e, wish.Emotion ?? e.Emotion, wish.Pitch ?? "normal")
            : null;
    }

    private static DialogueTurn Turn(string question, Exchange e, string emotion, string pitch) =>
        new(new Remark(question, e.UserEmotion, "normal"), new Remark(e.Reply, emotion, pitch));

    private string Weighted((string Kind, double Weight)[] options) =>
        options[WeightedIndex([.. options.Select(o => o.Weight)])].Kind;

    private int WeightedIndex(double[] weights)
    {
        double x = _random.NextDouble() * weights.Sum();
        for (int i = 0; i < weights.Length - 1; i++)
        {
            if ((x -= weights[i]) < 0)
                return i;
        }
        return weights.Length - 1;
    }
}
