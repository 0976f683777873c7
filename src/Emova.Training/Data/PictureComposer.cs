namespace Emova.Training.Data;

/// <summary>Composes pictures: chooses things, their places and sizes, and lays them out in pixels.</summary>
public sealed class PictureComposer
{
    private static readonly string[] Horizontals = ["left", "middle", "right"];
    private static readonly string[] Verticals = ["top", "middle", "bottom"];
    private static readonly Dictionary<string, string[]> FaceGlyphs = new()
    {
        ["happy"] = ["1F600", "1F603", "1F604", "1F60A"],
        ["sad"] = ["1F622", "1F641", "1F61E", "1F62D"],
        ["angry"] = ["1F620", "1F621", "1F624"],
        ["neutral"] = ["1F610", "1F611", "1F636"],
    };

    private readonly CombinationPools _pools;
    private readonly DeterministicRandom _random;
    private readonly ShuffledCycle<PictureItem> _things;

    public PictureComposer(IReadOnlyList<Concept> concepts, CombinationPools pools, DeterministicRandom random)
    {
        _pools = pools;
        _random = random;
        _things = new ShuffledCycle<PictureItem>([.. concepts.Select(Thing)], random);
    }

    public static PictureItem Thing(Concept c) => new(c.Name, c.Plural, c.Name, null, c.Group);

    public static PictureItem Shape(string color, string shape) =>
        new($"{color} {shape}", $"{color} {shape}s", shape, color, "shape");

    /// <summary>A thing painted in one color.</summary>
    public static PictureItem Painted(string color, Concept c) =>
        new($"{color} {c.Name}", $"{color} {c.Plural}", c.Name, color, "painted");

    /// <summary>A picture of the given kind; the caller rejects those of another split.</summary>
    public Picture Compose(string kind, string split) => kind switch
    {
        "single" => OneThing(_things.Next()),
        "shape" => OneThing(AnyShape()),
        "count" => Count(Countable()),
        "shape-count" => Count(AnyShape()),
        "pair" => Several("pair", _pools.Pick(_pools.Pairs, split, _random)),
        "relation" => Several("relation", _pools.Pick(_pools.Relations, split, _random)),
        "compare" => Compare(_pools.Pick(_pools.Comparisons, split, _random)),
        "groups" => Groups(_pools.Pick(_pools.Groups, split, _random)),
        "row" => Several("row", _pools.Pick(_pools.Rows, split, _random)),
        "digit" => Digit(),
        "digits" => Digits(_pools.Pick(_pools.DigitStrings, split, _random)),
        "sum" => Sum(),
        "numbers" => Numbers(),
        "face" => Face(),
        "meeting" => Meeting(_pools.Pick(_pools.Meetings, split, _random)),
        "bars" => Bars(),
        _ => throw new ArgumentException($"picture kind '{kind}': unknown"),
    };

    private PictureItem AnyShape() => _pools.AnyShape(_random);

    private PictureItem Countable()
    {
        PictureItem item;
        do
            item = _things.Next();
        while (item.Plural.Length == 0);
        return item;
    }

    /// <summary>One thing somewhere on the canvas.</summary>
    public Picture OneThing(PictureItem item)
    {
        (int w, int h) = Canvas();
        string place = w > h ? _random.Pick(Horizontals) : h > w ? _random.Pick(Verticals)
            : _random.Pick<string>(["left", "right", "top", "bottom", "middle"]);
        string? size = _random.Chance(0.35) ? (_random.Chance(0.5) ? "big" : "small") : null;
        double side = size switch { "big" => _random.Between(100.0, 110), "small" => _random.Between(46.0, 56), _ => _random.Between(78.0, 86) };
        if (size == "big")
            (w, h, place) = (140, 140, "middle");
        item = item with { Place = place, Size = size };
        (double cx, double cy) = Center(place, w, h, side);
        return new Picture("single", [item], NewScene(w, h, [Put(item, cx, cy, side)]),
            item.Color is null ? [$"{item.Name} {place} {size}"] : [item.Name, $"{item.Name} {place} {size}"]);
    }

    private Picture Count(PictureItem item)
    {
        int n = _random.Between(2, 5);
        (int w, int h) = Canvas();
        item = item with { Count = n };
        var objects = Scatter(w, h, n).Select(p => Put(item, p.X, p.Y, p.Side)).ToList();
        return new Picture("count", [item], NewScene(w, h, objects), item.CountKeys!);
    }

    /// <summary>Two or three things in a row or a column.</summary>
    private Picture Several(string kind, Combination combination)
    {
        PictureItem[] items = [.. combination.Items];
        if (_random.Chance(0.5) && kind != "row")
            Array.Reverse(items);
        bool horizontal = combination.Horizontal ?? _random.Chance(0.5);
        int n = items.Length;
        (int w, int h) = (n == 3 || _random.Chance(0.3)) ? (horizontal ? (168, 112) : (112, 168)) : (140, 140);
        double step = (double)(horizontal ? w : h) / n;
        double side = Math.Min(60, step * 0.9) * _random.Between(0.92, 1.0);
        string[] names = horizontal ? Horizontals : Verticals;
        var objects = new List<SceneObject>();
        for (int i = 0; i < n; i++)
        {
            items[i] = items[i] with { Place = n == 2 ? names[i * 2] : names[i] };
            double along = (step * (i + 0.5)) + _random.Between(-2.0, 2.0);
            double across = ((horizontal ? h : w) / 2.0) + _random.Between(-10.0, 10.0);
            objects.Add(horizontal ? Put(items[i], along, across, side) : Put(items[i], across, along, side));
        }
        return new Picture(kind, items, NewScene(w, h, objects), Combination.PairKeys(items), horizontal);
    }

    private Picture Compare(Combination combination)
    {
        PictureItem[] items = [.. combination.Items];
        if (_random.Chance(0.5))
            Array.Reverse(items);
        int big = _random.Next(2);
        bool wide = _random.Chance(0.4);
        (int w, int h) = wide ? (168, 112) : (140, 140);
        double bigSide = _random.Between(74.0, 82.0), smallSide = _random.Between(40.0, 46.0);
        double left = big == 0 ? bigSide : smallSide, right = big == 0 ? smallSide : bigSide;
        double gap = (w - left - right) / 3;
        items[0] = items[0] with { Place = "left", Size = big == 0 ? "big" : "small" };
        items[1] = items[1] with { Place = "right", Size = big == 1 ? "big" : "small" };
        double y = h / 2.0;
        return new Picture("compare", items, NewScene(w, h,
        [
            Put(items[0], gap + (left / 2), y + _random.Between(-8.0, 8.0), left),
            Put(items[1], w - gap - (right / 2), y + _random.Between(-8.0, 8.0), right),
        ]), Combination.PairKeys(items));
    }

    /// <summary>Some of one thing and some of another, mixed up.</summary>
    private Picture Groups(Combination combination)
    {
        (int w, int h) = Canvas();
        PictureItem[] items = [.. combination.Items];
        PictureItem[] all = [.. items.SelectMany(i => Enumerable.Repeat(i, i.Count))];
        _random.Shuffle(all);
        var spots = Scatter(w, h, all.Length);
        var objects = all.Select((item, i) => Put(item, spots[i].X, spots[i].Y, spots[i].Side)).ToList();
        return new Picture("groups", items, NewScene(w, h, objects), Combination.PairKeys(items));
    }

    private Picture Digit()
    {
        int value = _random.Chance(0.7) ? _random.Next(10) : _random.Between(10, 20);
        PictureItem item = NumberItem(value, _random.Pick(Lexicon.Colors));
        (int w, int h) = Canvas();
        return new Picture("digit", [item], NewScene(w, h, [.. Glyphs(value.ToString(), item.Color!, w, h)], item.Color),
            [$"{item.Color} {item.Name}"]);
    }

    private Picture Digits(Combination combination)
    {
        string color = _random.Pick(Lexicon.Colors);
        PictureItem[] items = [.. combination.Items.Select(i => i with { Color = color })];
        string text = string.Concat(items.Select(i => i.Value));
        (int w, int h) = _random.Chance(0.5) ? (168, 112) : (140, 140);
        return new Picture("digits", items, NewScene(w, h, [.. Glyphs(text, color, w, h)], color), ["digits " + text]);
    }

    private Picture Sum()
    {
        (int a, bool plus, int b) = SumQuestions.Draw(_random);
        string color = _random.Pick(Lexicon.Colors), sign = plus ? "+" : "-";
        (int w, int h) = _random.Chance(0.6) ? (168, 112) : (140, 140);
        return new Picture("sum", [NumberItem(a, color), NumberItem(plus ? b : -b, color) with { Name = Lexicon.Number(b), Noun = plus ? "plus" : "minus" }],
            NewScene(w, h, [.. Glyphs($"{a}{sign}{b}", color, w, h)], color), [SumQuestions.Key(a, plus, b)]);
    }

    /// <summary>Two digits apart, to compare.</summary>
    private Picture Numbers()
    {
        int a = _random.Next(10), b = (a + 1 + _random.Next(9)) % 10;
        // Two colors: in one color the two digits might be read as one number.
        string first = _random.Pick(Lexicon.Colors), second = _random.Pick([.. Lexicon.Colors.Where(c => c != first)]);
        (int w, int h) = _random.Chance(0.5) ? (168, 112) : (140, 140);
        var left = Glyphs(a.ToString(), first, w / 2, h);
        var right = Glyphs(b.ToString(), second, w / 2, h).Select(o => o with { Box = [o.Box[0] + (w / 2), o.Box[1], o.Box[2] + (w / 2), o.Box[3]] });
        return new Picture("numbers", [NumberItem(a, first) with { Place = "left" }, NumberItem(b, second) with { Place = "right" }],
            NewScene(w, h, [.. left, .. right], first, second), [$"numbers {Math.Min(a, b)} {Math.Max(a, b)}"]);
    }

    private Picture Face()
    {
        string emotion = _random.Pick(Lexicon.Emotions);
        (int w, int h) = Canvas();
        string place = w > h ? _random.Pick(Horizontals) : h > w ? _random.Pick(Verticals)
            : _random.Pick<string>(["left", "right", "top", "bottom", "middle"]);
        double side = _random.Between(64.0, 100.0);
        PictureItem item = FaceItem(emotion) with { Place = place };
        (double cx, double cy) = Center(place, w, h, side);
        SceneObject face = Put(item, cx, cy, side);
        return new Picture("face", [item], NewScene(w, h, [face]), [$"face {emotion} {face.Glyph} {place}"]);
    }

    /// <summary>A face next to a thing.</summary>
    private Picture Meeting(Combination combination)
    {
        (int w, int h) = _random.Chance(0.5) ? (168, 112) : (140, 140);
        PictureItem thing = combination.Items[0], face = combination.Items[1];
        bool faceFirst = _random.Chance(0.5);
        PictureItem[] items = faceFirst ? [face, thing] : [thing, face];
        items[0] = items[0] with { Place = "left" };
        items[1] = items[1] with { Place = "right" };
        double side = _random.Between(54.0, 60.0);
        var objects = items.Select((item, i) => Put(item, w * (0.27 + (0.46 * i)), (h / 2.0) + _random.Between(-10.0, 10), side)).ToList();
        return new Picture("meeting", items, NewScene(w, h, objects), [$"{thing.Name}+face {face.Name}"]);
    }

    private Picture Bars()
    {
        var colors = Lexicon.Colors.ToList();
        _random.Shuffle(colors);
        int[] levels = [1, 2, 3];
        _random.Shuffle(levels);
        (int w, int h) = Canvas();
        double unit = (h - 24) / 3.0, step = w / 3.0;
        var items = new List<PictureItem>();
        var objects = new List<SceneObject>();
        for (int i = 0; i < 3; i++)
        {
            double height = unit * (levels[i] - _random.Between(0.0, 0.35));
            double width = step * _random.Between(0.5, 0.7), center = step * (i + 0.5);
            items.Add(new PictureItem(colors[i] + " bar", "", "bar", colors[i], "bar", Place: Horizontals[i], Value: levels[i]));
            objects.Add(new SceneObject("bar", "bar", colors[i], Box(center - (width / 2), h - 10 - height, center + (width / 2), h - 10)));
        }
        string[] shown = [.. colors.Take(3)];
        return new Picture("bars", items, NewScene(w, h, objects, shown), [$"bars {string.Join(' ', shown.Order())}"]);
    }

    /// <summary>A face with an emotion.</summary>
    public static PictureItem FaceItem(string emotion) => new(emotion, "", emotion, null, "face");

    private static PictureItem NumberItem(int value, string color) =>
        new(Lexicon.Number(Math.Abs(value)), "", "number", color, "digit", Value: value);

    private (int Width, int Height) Canvas() =>
        _random.Next(10) switch { 0 or 1 => (168, 112), 2 or 3 => (112, 168), _ => (140, 140) };

    private (double X, double Y) Center(string place, int w, int h, double side)
    {
        double x = w / 2.0, y = h / 2.0, margin = (side / 2) + 2;
        if (place is "left" or "right")
            x = place == "left" ? margin + _random.Between(0.0, 4.0) : w - margin - _random.Between(0.0, 4.0);
        if (place is "top" or "bottom")
            y = place == "top" ? margin + _random.Between(0.0, 4.0) : h - margin - _random.Between(0.0, 4.0);
        return (x + _random.Between(-2.0, 2.0), y + _random.Between(-2.0, 2.0));
    }

    /// <summary>n places on a jittered grid that do not overlap.</summary>
    private List<(double X, double Y, double Side)> Scatter(int w, int h, int n)
    {
        (int columns, int rows) = n switch
        {
            1 => (1, 1),
            2 => w >= h ? (2, 1) : (1, 2),
            <= 4 => (2, 2),
            _ => w >= h ? (3, 2) : (2, 3),
        };
        double cw = (double)w / columns, ch = (double)h / rows;
        double side = Math.Min(60, Math.Min(cw, ch) * 0.94) * _random.Between(0.9, 1.0);
        var cells = Enumerable.Range(0, columns * rows).ToList();
        _random.Shuffle(cells);
        return [.. cells.Take(n).Select(cell => (
            (cw * ((cell % columns) + 0.5)) + Slack(cw - side),
            (ch * ((cell / columns) + 0.5)) + Slack(ch - side),
            side))];
    }

    private double Slack(double room) => _random.Between(-0.35, 0.35) * Math.Max(0, room);

    private SceneObject Put(PictureItem item, double cx, double cy, double side)
    {
        double angle = Math.Round(_random.Between(-8.0, 8.0), 1);
        side *= _random.Between(0.97, 1.03);
        int[] box = Box(cx - (side / 2), cy - (side / 2), cx + (side / 2), cy + (side / 2));
        return item.Group switch
        {
            "shape" => new SceneObject("shape", item.Noun, item.Color, box, angle),
            "face" => new SceneObject("face", item.Noun, null, box, angle, _random.Pick(FaceGlyphs[item.Noun])),
            // A painted thing has a color, others are drawn in their own.
            _ => new SceneObject("emoji", item.Noun, item.Color, box, angle, _pools.Glyph(item.Noun)),
        };
    }

    /// <summary>Characters of a number or sum, centered; one object each.</summary>
    private List<SceneObject> Glyphs(string text, string color, int w, int h)
    {
        double height = Math.Min(h * _random.Between(0.5, 0.66), (w - 8) / (text.Length * 0.68));
        double advance = height * 0.68;
        double x = ((w - (advance * text.Length)) / 2) + Slack((w - (advance * text.Length)) * 0.6);
        double y = ((h - height) / 2) + Slack((h - height) * 0.8);
        double angle = Math.Round(_random.Between(-5.0, 5.0), 1);
        return [.. text.Select((c, i) => new SceneObject("digit", CharacterName(c), color,
            Box(x + (advance * i) + (advance * 0.08), y, x + (advance * (i + 0.92)), y + height), angle))];
    }

    private static string CharacterName(char c) => c switch { '+' => "plus", '-' => "minus", _ => Lexicon.Number(c - '0') };

    private static int[] Box(double x0, double y0, double x1, double y1) =>
        [(int)Math.Round(x0), (int)Math.Round(y0), (int)Math.Round(x1), (int)Math.Round(y1)];

    private Scene NewScene(int w, int h, IReadOnlyList<SceneObject> objects, params string?[] avoid)
    {
        // A white or yellow shape needs a background it stands out from, hence the darker ones.
        bool pale = objects.Any(o => o.Color is "white" or "yellow") || avoid.Any(c => c is "white" or "yellow");
        int[][] colors = pale ? SceneColors.MediumBackgrounds : SceneColors.LightBackgrounds;
        string texture = _random.Pick<string>(["plain", "plain", "gradient", "stripes", "dots", "grain"]);
        return new Scene(w, h, new SceneBackground(_random.Pick(colors), texture, _random.Next(1 << 16)), objects);
    }
}
