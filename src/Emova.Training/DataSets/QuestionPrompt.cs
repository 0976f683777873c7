namespace Emova.Training.DataSets;

/// <summary>Questions about pictures with short answers, worded as LLaVA-1.5 (arXiv 2310.03744, section 3.3) words them.</summary>
public static class QuestionPrompt
{
    /// <summary>What follows the question.</summary>
    public const string ShortAnswer = "\nAnswer the question using a single word or phrase.";

    /// <summary>The user's turn, empty where there is no question.</summary>
    public static string Of(string? question) => string.IsNullOrWhiteSpace(question) ? "" : question.Trim() + ShortAnswer;

    /// <summary>The answer that most people gave; among equals the one given first.</summary>
    public static string MostCommon(IEnumerable<string?> answers) =>
        answers.Where(a => !string.IsNullOrWhiteSpace(a)).GroupBy(a => a!.Trim(), StringComparer.Ordinal).MaxBy(g => g.Count())?.Key ?? "";
}
