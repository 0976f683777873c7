namespace Emova.Cli.Bench;

/// <summary>One measurement of <c>emova bench</c>.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Value">The measurement.</param>
/// <param name="Unit">MiB, s, tok/s, x (seconds of computation per second of audio), GB/s, GOP/s or %.</param>
/// <param name="Limit">Share of the limit probed in the same process, 0 to 1; null where none applies.</param>
/// <param name="Note">What a reader needs to judge it.</param>
internal sealed record BenchFigure(string Name, double Value, string Unit, double? Limit = null, string? Note = null);

/// <summary>Everything one run of <c>emova bench</c> found.</summary>
internal sealed record BenchReport(string Model, string Command, string Machine, int Threads, IReadOnlyList<BenchFigure> Figures);
