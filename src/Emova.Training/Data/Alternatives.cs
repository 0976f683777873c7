namespace Emova.Training.Data;

/// <summary>
/// What the same question is answered on other pictures. Where such an answer is held out, training would hold the question with one answer
/// only ("is there an anchor" is always "no"), and teach not to look: such questions are left out of training.
/// </summary>
public static class Alternatives
{
    private const string Taller = " is taller than the ";
    private const string Shorter = " is shorter than the ";

    /// <summary>Whether training may hold this question with both of its answers.</summary>
    public static bool InTraining(string question, string reply, SplitRule rule) => Of(question, reply).All(other => rule.OfSentence(other) == SplitRule.Train);

    /// <summary>Whether that holds for every turn of a dialogue.</summary>
    public static bool InTraining(Dialogue dialogue, SplitRule rule) => dialogue.Turns.All(turn => InTraining(turn.User.Text, turn.Reply.Text, rule));

    /// <summary>The answers that the question, or one like it about the same thing, gets where the picture is otherwise; often none.</summary>
    public static IEnumerable<string> Of(string question, string reply)
    {
        if (After(reply, "yes there is ") is { } present || (present = After(reply, "yes there are ")!) is not null)
            yield return $"no i do not see {present}";
        else if (After(reply, "no i do not see ") is { } absent)
            yield return $"yes there {Lexicon.Is(WithoutArticle(absent))} {absent}";
        else if (reply.StartsWith("yes the ", StringComparison.Ordinal) && reply.Contains(Taller, StringComparison.Ordinal))
            yield return "no" + reply[3..].Replace(Taller, Shorter, StringComparison.Ordinal);
        else if (reply.StartsWith("no the ", StringComparison.Ordinal) && reply.Contains(Shorter, StringComparison.Ordinal))
            yield return "yes" + reply[2..].Replace(Shorter, Taller, StringComparison.Ordinal);
        else if (reply.StartsWith("yes this is ", StringComparison.Ordinal) || reply.StartsWith("yes these are ", StringComparison.Ordinal))
            yield return "no" + reply[3..];
        else if (reply.StartsWith("no this is ", StringComparison.Ordinal) || reply.StartsWith("no these are ", StringComparison.Ordinal))
        {
            yield return "yes" + reply[2..];
            if (Asked(question, "is this ", "are these ") is { } asked)
                yield return $"yes {Lexicon.This(WithoutArticle(asked))} {asked}";
        }
        else if (reply.StartsWith("the ", StringComparison.Ordinal) && Asked(question, "where is the ", "where are the ") is { } sought)
            yield return $"i do not see {Lexicon.WithArticle(sought)} in the picture";
    }

    private static string? After(string text, string start) => text.StartsWith(start, StringComparison.Ordinal) ? text[start.Length..] : null;

    /// <summary>What follows one of the phrases in a question, without the polite words at its end.</summary>
    private static string? Asked(string question, params ReadOnlySpan<string> phrases)
    {
        foreach (string phrase in phrases)
        {
            int at = question.IndexOf(phrase, StringComparison.Ordinal);
            if (at >= 0)
                return Wording.WithoutSuffix(question[(at + phrase.Length)..]);
        }
        return null;
    }

    private static string WithoutArticle(string thing) =>
        After(thing, "an ") ?? After(thing, "a ") ?? After(thing, "the ") ?? thing;
}
