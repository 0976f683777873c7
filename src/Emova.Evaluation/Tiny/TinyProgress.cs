namespace Emova.Evaluation.Tiny;

/// <summary>How far a run is.</summary>
/// <param name="Part">Part of the suite.</param>
/// <param name="Step">What it is doing.</param>
/// <param name="Done">Items done.</param>
/// <param name="Total">Items in all.</param>
public readonly record struct TinyProgress(string Part, string Step, int Done, int Total);
