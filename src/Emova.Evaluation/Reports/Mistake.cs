namespace Emova.Evaluation.Reports;

/// <summary>One answer that was wrong, for reading; the figures count them.</summary>
/// <param name="Figure">Name of the figure it belongs to.</param>
/// <param name="Item">Id of the dialogue or utterance in the corpus.</param>
/// <param name="Question">What was asked or said.</param>
/// <param name="Expected">The right answer.</param>
/// <param name="Actual">The answer given.</param>
public sealed record Mistake(string Figure, string Item, string Question, string Expected, string Actual);
