namespace Emova.Training.Data;

/// <summary>A question and the one answer that is right for it.</summary>
/// <param name="Question">Core of the question, before it is worded politely or otherwise.</param>
/// <param name="Reply">The answer.</param>
public sealed record Exchange(string Question, string Reply)
{
    /// <summary>Task name of <see cref="Dialogue.Task"/>.</summary>
    public string Task { get; init; } = "vqa";

    /// <summary>How often the template is chosen.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Emotion the words of the question convey.</summary>
    public string UserEmotion { get; init; } = "neutral";

    /// <summary>Emotion that fits the answer.</summary>
    public string Emotion { get; init; } = "neutral";

    /// <summary>The question names a thing, so that many others like it exist and few wordings suffice.</summary>
    public bool Open { get; init; }

    /// <summary>The answer is one of a small closed set: it always belongs to train.</summary>
    public bool Pinned { get; init; }

    /// <summary>
    /// Combinations the answer spells out ("i see a cat and a dog"): the answer then belongs where they belong. Null
    /// where the wording alone decides.
    /// </summary>
    public IReadOnlyList<string>? Combinations { get; init; }

    /// <summary>Share of this template's answers that is used at all; bounds what has to be rendered.</summary>
    public double Keep { get; init; } = 1;

    /// <summary>How one asks the same after an earlier question about the picture ("and where is it").</summary>
    public string? FollowUp { get; init; }
}
