namespace Emova.Training.Data;

/// <summary>How questions are put: politely, with a name, or with a wish how the answer should sound.</summary>
public static class Wording
{
    /// <summary>A wish and what it asks for; null keeps what fits the answer.</summary>
    public sealed record Wish(string Before, string After, string? Emotion, string? Pitch);

    private static readonly string[] Prefixes = ["", "nova", "hey nova", "please look", "look here", "ok nova", "now"];
    private static readonly string[] TalkPrefixes = ["", "nova", "hey nova", "ok nova", "now"];
    private static readonly string[] Suffixes = ["", "please", "nova", "my friend"];

    public static IReadOnlyList<Wish> Wishes { get; } =
    [
        new("", "say it sadly", "sad", null), new("answer sadly", "", "sad", null), new("be sad", "", "sad", null),
        new("", "say it happily", "happy", null), new("answer happily", "", "happy", null), new("be happy", "", "happy", null),
        new("", "say it angrily", "angry", null), new("answer angrily", "", "angry", null), new("be angry", "", "angry", null),
        new("", "say it in a high voice", null, "high"), new("speak higher", "", null, "high"),
        new("", "say it in a low voice", null, "low"), new("speak lower", "", null, "low"),
        new("answer sadly", "in a low voice", "sad", "low"), new("answer happily", "in a high voice", "happy", "high"),
        new("answer angrily", "in a low voice", "angry", "low"), new("answer angrily", "in a high voice", "angry", "high"),
    ];

    private static readonly (string Adverb, string Emotion)[] Adverbs = [("sadly", "sad"), ("happily", "happy"), ("angrily", "angry")];

    /// <summary>The ways to put a question that training uses: the plain one first; open questions get one more at most.</summary>
    public static List<string> Variants(string core, bool open, bool picture, ulong seed)
    {
        List<string> all = AllVariants(core, picture);
        if (!open)
            return [core, .. all.Skip(1).Where(v => DeterministicRandom.Fraction(v, seed + 4) < 0.45)];
        double fraction = DeterministicRandom.Fraction(core, seed + 5);
        int other = 1 + (int)(DeterministicRandom.Fraction(core, seed + 6) * (all.Count - 1));
        return fraction < 0.35 ? [core, all[other]] : fraction < 0.5 ? [all[other]] : [core];
    }

    /// <summary>Every way to put a question, the plain one first.</summary>
    public static List<string> AllVariants(string core, bool picture)
    {
        string[] prefixes = picture ? Prefixes : TalkPrefixes;
        var all = new List<string>();
        foreach (string prefix in prefixes)
        {
            foreach (string suffix in Suffixes)
            {
                // "nova ... nova" is nothing anybody says.
                if (!(prefix.Contains("nova", StringComparison.Ordinal) && suffix == "nova"))
                    all.Add(Join(prefix, core, suffix));
            }
        }
        return all;
    }

    /// <summary>The question with a wish, or null where training leaves this pairing out to bound the number of questions.</summary>
    public static string? WithWish(Exchange exchange, Wish wish, ulong seed, bool everything)
    {
        string text = Join(wish.Before, exchange.Question, wish.After);
        return DeterministicRandom.Fraction(text, seed + 7) < (everything ? 1 : exchange.Open ? 0.02 : 0.5) ? text : null;
    }

    /// <summary>"say i see a cat sadly": the answer repeats the sentence. Null where training leaves this sentence out.</summary>
    public static Exchange? Echo(string sentence, ulong seed, bool everything)
    {
        double fraction = DeterministicRandom.Fraction(sentence, seed + 8);
        if (fraction > 0.05 && !everything)
            return null;
        (string adverb, string emotion) = Adverbs[(int)(DeterministicRandom.Fraction(sentence, seed + 9) * Adverbs.Length)];
        return new Exchange($"say {adverb} {sentence}", sentence) { Task = "style-wish", Emotion = emotion, Open = true };
    }

    /// <summary>A question, or its end, without what <see cref="AllVariants"/> and wishes put behind it.</summary>
    public static string WithoutSuffix(string text) =>
        Suffixes.Concat(Wishes.Select(wish => wish.After)).Where(suffix => suffix.Length > 0 && text.EndsWith(" " + suffix, StringComparison.Ordinal)).MaxBy(suffix => suffix.Length)
            is { } longest ? text[..^(longest.Length + 1)] : text;

    private static string Join(params string[] parts) => string.Join(' ', parts.Where(p => p.Length > 0));
}
