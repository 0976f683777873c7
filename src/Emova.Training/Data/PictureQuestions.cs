namespace Emova.Training.Data;

/// <summary>Every question our grammar has about a picture, with its answer.</summary>
public sealed class PictureQuestions(IReadOnlyList<Concept> concepts, Func<string, bool> mayMention, DeterministicRandom random)
{
    private static readonly HashSet<string> Living = ["animal", "bird", "insect"];

    public List<Exchange> About(Picture picture) => picture.Kind switch
    {
        "single" => Single(picture.Items[0]),
        "count" => Count(picture.Items[0]),
        "pair" or "relation" => Pair(picture),
        "compare" => Compare(picture),
        "groups" => Groups(picture),
        "row" => Row(picture),
        "digit" => Digit(picture.Items[0], picture.Combinations),
        "digits" => Digits(picture),
        "sum" => SumQuestions.OnPicture(picture),
        "numbers" => Numbers(picture),
        "face" => Face(picture.Items[0]),
        "meeting" => Meeting(picture),
        "bars" => Bars(picture),
        _ => throw new ArgumentException($"picture kind '{picture.Kind}': unknown"),
    };

    private List<Exchange> Single(PictureItem item)
    {
        string name = item.Name, thing = Lexicon.WithArticle(name), be = Lexicon.Is(name);
        string where = $"the {name} {be} {Lexicon.At(item.Place)}";
        var list = new List<Exchange>
        {
            new("what is this", $"{Lexicon.This(name)} {thing}") { Weight = 2.5 },
            new("what do you see", $"i see {thing}") { Task = "caption", Weight = 1.5 },
            new("describe the picture", $"the picture shows {thing}") { Task = "caption" },
            new($"where {be} the {name}", where) { Open = true, FollowUp = "and where is it", Keep = 0.8 },
            new("where is it", where) { Keep = 0.8, FollowUp = "and where is it" },
        };
        if (item.Plural.Length > 0)
        {
            string one = $"there is one {name}";
            list.Add(new($"how many {item.Plural} are there", one) { Open = true, FollowUp = "and how many are there" });
        }
        if (item.Size is not null)
        {
            string size = $"the {name} {be} {item.Size}";
            list.Add(new("is it big or small", size) { Weight = 1.5, Keep = 0.75, FollowUp = "and is it big or small" });
            list.Add(new($"is the {name} big or small", size) { Open = true, Keep = 0.75, FollowUp = "and how big is it" });
        }
        if (item.Color is not null)
        {
            string color = $"the {item.Noun} is {item.Color}";
            list.Add(new("what color is it", color) { Weight = 2, FollowUp = "and what color is it" });
            list.Add(new($"what color is the {item.Noun}", color) { Open = true, FollowUp = "and what color is it" });
            if (item.Group == "shape")
                list.Add(new("what shape is this", $"this is {thing}"));
        }
        else
        {
            string kind = $"{(Lexicon.IsPluralName(name) ? name + " are" : Lexicon.WithArticle(name) + " is")} {KindOf(item.Group)}";
            list.Add(new("what kind of thing is it", kind) { Weight = 0.7, FollowUp = "and what kind of thing is it" });
            if (Living.Contains(item.Group))
                list.Add(new($"how old is the {name}", $"i do not know how old the {name} is") { Open = true, Task = "unknown", Weight = 0.5, FollowUp = "and how old is it" });
            else
                list.Add(new($"who made the {name}", $"i do not know who made the {name}") { Open = true, Task = "unknown", Weight = 0.5 });
        }
        AddPresence(list, [item]);
        string other = Absent([item]);
        list.Add(new($"{Lexicon.IsThis(name)} {thing}", $"yes {Lexicon.This(name)} {thing}") { Open = true, Weight = 0.7 });
        list.Add(new($"{Lexicon.IsThis(other)} {Lexicon.WithArticle(other)}", $"no {Lexicon.This(name)} {thing}") { Open = true, Weight = 0.7 });
        return list;
    }

    private List<Exchange> Count(PictureItem item)
    {
        string answer = $"there are {Lexicon.Counted(item.Count, item.Name, item.Plural)}";
        var list = new List<Exchange>
        {
            new($"how many {item.Plural} are there", answer) { Open = true, Weight = 2, FollowUp = "and how many are there", Combinations = item.CountKeys },
            new("how many are there", answer) { Weight = 1.5, FollowUp = "and how many are there", Combinations = item.CountKeys },
            new("what do you see", $"i see {Lexicon.Counted(item.Count, item.Name, item.Plural)}") { Task = "caption", Keep = 0.7, Combinations = item.CountKeys },
        };
        if (item.Color is not null)
        {
            string color = $"the {item.Noun}s are {item.Color}";
            list.Add(new("what color are they", color) { FollowUp = "and what color are they" });
            list.Add(new($"what color are the {item.Noun}s", color) { Open = true, FollowUp = "and what color are they" });
        }
        AddPresence(list, [item]);
        return list;
    }

    private List<Exchange> Pair(Picture picture)
    {
        (PictureItem a, PictureItem b) = (picture.Items[0], picture.Items[1]);
        var list = new List<Exchange>
        {
            new("what do you see", $"i see {Lexicon.WithArticle(a.Name)} and {Lexicon.WithArticle(b.Name)}") { Task = "caption", Weight = picture.Kind == "pair" ? 2.5 : 0, Combinations = picture.Combinations },
            new("how many things are there", "there are two things") { Weight = 0.2, Pinned = true, FollowUp = "and how many things are there" },
        };
        if (picture.Kind == "relation")
        {
            (string before, string after) = picture.Horizontal ? ("left of", "right of") : ("above", "below");
            list.Add(new($"what is {before} the {b.Name}", $"the {a.Name} {Lexicon.Is(a.Name)} {before} the {b.Name}") { Open = true, Weight = 3, Combinations = picture.Combinations });
            list.Add(new($"what is {after} the {a.Name}", $"the {b.Name} {Lexicon.Is(b.Name)} {after} the {a.Name}") { Open = true, Weight = 3, Combinations = picture.Combinations });
        }
        AddPlaces(list, picture.Items);
        AddPresence(list, picture.Items);
        AddColors(list, picture.Items);
        return list;
    }

    private List<Exchange> Row(Picture picture)
    {
        string[] names = [.. picture.Items.Select(i => Lexicon.WithArticle(i.Name))];
        var list = new List<Exchange>
        {
            new("what do you see", $"i see {names[0]} and {names[1]} and {names[2]}") { Task = "caption", Weight = 2.5, Combinations = picture.Combinations },
            new("how many things are there", "there are three things") { Weight = 0.3, Pinned = true, FollowUp = "and how many things are there" },
        };
        AddPlaces(list, picture.Items);
        AddPresence(list, picture.Items);
        return list;
    }

    private List<Exchange> Compare(Picture picture)
    {
        PictureItem big = picture.Items.First(i => i.Size == "big"), small = picture.Items.First(i => i.Size == "small");
        string bigger = $"the {big.Name} {Lexicon.Is(big.Name)} bigger than the {small.Name}";
        string smaller = $"the {small.Name} {Lexicon.Is(small.Name)} smaller than the {big.Name}";
        var list = new List<Exchange>
        {
            new("which one is bigger", bigger) { Weight = 2, FollowUp = "and which one is bigger", Combinations = picture.Combinations },
            new("which one is smaller", smaller) { Weight = 2, FollowUp = "and which one is smaller", Combinations = picture.Combinations },
        };
        AddPlaces(list, picture.Items);
        return list;
    }

    private List<Exchange> Groups(Picture picture)
    {
        (PictureItem a, PictureItem b) = (picture.Items[0], picture.Items[1]);
        string Counted(PictureItem i) => Lexicon.Counted(i.Count, i.Name, i.Plural);
        var list = new List<Exchange>
        {
            new("what do you see", $"i see {Counted(a)} and {Counted(b)}") { Task = "caption", Weight = 1.5, Combinations = picture.Combinations },
        };
        foreach (PictureItem i in picture.Items)
        {
            list.Add(new($"how many {i.Plural} are there", $"there {(i.Count == 1 ? "is" : "are")} {Counted(i)}")
            { Open = true, Weight = 1.5, FollowUp = $"and how many {i.Plural}", Combinations = i.CountKeys });
        }
        if (a.Count != b.Count && a.Color is null && b.Color is null)
        {
            (PictureItem more, PictureItem fewer) = a.Count > b.Count ? (a, b) : (b, a);
            list.Add(new($"are there more {a.Plural} or {b.Plural}", $"there are more {more.Plural} than {fewer.Plural}") { Open = true, Weight = 1.2, Combinations = picture.Combinations });
        }
        AddPresence(list, picture.Items);
        return list;
    }

    private static List<Exchange> Digit(PictureItem item, IReadOnlyList<string> combinations) =>
    [
        new("what number is this", $"the number is {item.Name}") { Weight = 2 },
        new("which number do you see", $"i see the number {item.Name}") { Task = "caption" },
        new("what color is the number", $"the number {item.Name} is {item.Color}") { FollowUp = "and what color is it", Combinations = combinations },
    ];

    private static List<Exchange> Digits(Picture picture)
    {
        string digits = string.Join(' ', picture.Items.Select(i => i.Name));
        return
        [
            new("which numbers do you see", $"i see {digits}") { Weight = 2, Combinations = picture.Combinations },
            new("how many numbers are there", "there are three numbers") { Weight = 0.2, Pinned = true, FollowUp = "and how many numbers are there" },
        ];
    }

    private static List<Exchange> Numbers(Picture picture)
    {
        (PictureItem a, PictureItem b) = (picture.Items[0], picture.Items[1]);
        (PictureItem high, PictureItem low) = a.Value > b.Value ? (a, b) : (b, a);
        return
        [
            new("which number is bigger", $"{high.Name} is bigger than {low.Name}") { FollowUp = "and which number is bigger", Combinations = picture.Combinations },
            new("which number is smaller", $"{low.Name} is smaller than {high.Name}") { FollowUp = "and which number is smaller", Combinations = picture.Combinations },
            new("which numbers do you see", $"i see {a.Name} and {b.Name}") { Combinations = picture.Combinations },
        ];
    }

    private static List<Exchange> Face(PictureItem face)
    {
        string looks = $"the face looks {face.Name}";
        return
        [
            new("how does the face look", looks) { Pinned = true, Weight = 2 },
            new("what do you see", $"i see {Lexicon.WithArticle(face.Name)} face") { Task = "caption", Pinned = true },
            new("is the face happy or sad", looks) { Pinned = true, Weight = face.Name is "happy" or "sad" ? 1 : 0 },
            new("where is the face", $"the {face.Name} face is {Lexicon.At(face.Place)}") { FollowUp = "and where is the face" },
            new($"does the face look {face.Name}", $"yes the face looks {face.Name}") { Pinned = true, Weight = 0.6 },
            new("how does the person feel", $"i think the person feels {face.Name}") { Pinned = true },
        ];
    }

    private List<Exchange> Meeting(Picture picture)
    {
        PictureItem face = picture.Items.First(i => i.Group == "face"), thing = picture.Items.First(i => i.Group != "face");
        var list = new List<Exchange>
        {
            new("how does the face look", $"the face next to the {thing.Name} looks {face.Name}") { Weight = 2.5, FollowUp = "and how does the face look", Combinations = picture.Combinations },
            new("what is next to the face", $"the {thing.Name} {Lexicon.Is(thing.Name)} next to the {face.Name} face") { FollowUp = "and what is next to the face", Combinations = picture.Combinations },
            new("what do you see", $"i see {Lexicon.WithArticle(thing.Name)} and {Lexicon.WithArticle(face.Name)} face") { Task = "caption", Combinations = picture.Combinations },
        };
        AddPresence(list, [thing]);
        return list;
    }

    private List<Exchange> Bars(Picture picture)
    {
        PictureItem[] byHeight = [.. picture.Items.OrderBy(i => i.Value)];
        (PictureItem a, PictureItem b) = random.Chance(0.5) ? (byHeight[0], byHeight[1 + random.Next(2)]) : (byHeight[1], byHeight[2]);
        if (random.Chance(0.5))
            (a, b) = (b, a);
        var list = new List<Exchange>
        {
            new("which bar is the tallest", $"the {byHeight[2].Name} is the tallest") { Weight = 2, FollowUp = "and which bar is the tallest" },
            new("which bar is the shortest", $"the {byHeight[0].Name} is the shortest") { Weight = 2, FollowUp = "and which bar is the shortest" },
            new($"is the {a.Name} taller than the {b.Name}", a.Value > b.Value ? $"yes the {a.Name} is taller than the {b.Name}" : $"no the {a.Name} is shorter than the {b.Name}") { Open = true, Weight = 2 },
            new("how many bars are there", "there are three bars") { Pinned = true, Weight = 0.3, FollowUp = "and how many bars are there" },
        };
        foreach (PictureItem item in picture.Items)
            list.Add(new($"which bar is {Lexicon.At(item.Place)}", $"the {item.Name} is {Lexicon.At(item.Place)}") { Weight = 0.4, FollowUp = $"and which bar is {Lexicon.At(item.Place)}" });
        return list;
    }

    private static void AddPlaces(List<Exchange> list, IReadOnlyList<PictureItem> items)
    {
        foreach (PictureItem item in items)
        {
            string place = Lexicon.At(item.Place);
            string answer = $"the {item.Name} {Lexicon.Is(item.Name)} {place}";
            list.Add(new($"what is {place}", answer) { Keep = 0.8, FollowUp = $"and what is {place}" });
            list.Add(new($"where {Lexicon.Is(item.Name)} the {item.Name}", answer) { Open = true, Keep = 0.8, Weight = 0.8, FollowUp = $"and where {Lexicon.Is(item.Name)} the {item.Name}" });
        }
    }

    private void AddPresence(List<Exchange> list, IReadOnlyList<PictureItem> items)
    {
        PictureItem item = random.Pick(items);
        if (item.Count == 1)
            list.Add(new($"{Lexicon.Is(item.Name)} there {Lexicon.WithArticle(item.Name)}", $"yes there {Lexicon.Is(item.Name)} {Lexicon.WithArticle(item.Name)}") { Open = true, Weight = 0.8 });
        string other = Absent(items);
        string with = Lexicon.WithArticle(other), be = Lexicon.Is(other);
        list.Add(new($"{be} there {with}", $"no i do not see {with}") { Open = true, Weight = 0.8 });
        list.Add(new($"where {be} the {other}", $"i do not see {with} in the picture") { Open = true, Task = "unknown", Weight = 0.4 });
    }

    private static void AddColors(List<Exchange> list, IReadOnlyList<PictureItem> items)
    {
        foreach (PictureItem item in items.Where(i => i.Color is not null && items.Count(o => o.Noun == i.Noun) == 1))
            list.Add(new($"what color is the {item.Noun}", $"the {item.Noun} is {item.Color}") { Open = true, Weight = 0.8 });
    }

    private string Absent(IReadOnlyList<PictureItem> items)
    {
        // Beside a painted thing, what is not there differs from it in the color or in the kind only.
        PictureItem? painted = items.FirstOrDefault(i => i.Group == "painted");
        string name;
        do
            name = painted is not null && random.Chance(0.6)
                ? random.Chance(0.5) ? $"{random.Pick(Lexicon.Colors)} {painted.Noun}" : $"{painted.Color} {random.Pick(Lexicon.Shapes)}"
                : random.Chance(0.15) ? $"{random.Pick(Lexicon.Colors)} {random.Pick(Lexicon.Shapes)}" : random.Pick(concepts).Name;
        while (items.Any(i => i.Name == name) || !mayMention(name));
        return name;
    }

    private static string KindOf(string group) => group switch
    {
        "animal" or "insect" => "an animal",
        "bird" => "a bird",
        "plant" => "a plant",
        "fruit" => "a fruit",
        "vegetable" => "a vegetable",
        "food" => "something to eat",
        "drink" => "something to drink",
        "vehicle" => "something to travel with",
        "building" => "a building",
        "nature" => "a part of nature",
        "toy" => "something to play with",
        "instrument" => "something to make music with",
        "clothing" => "something to wear",
        _ => "a useful thing",
    };
}
