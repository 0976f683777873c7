using System.Globalization;
using System.Text.Json.Serialization;
using Emova.Evaluation.Metrics;

namespace Emova.Evaluation.Reports;

/// <summary>One measured number with its 95 % interval, and what it was meant to reach.</summary>
/// <param name="Part">Part of the suite, e.g. <c>speech-encoder</c>.</param>
/// <param name="Name">What was measured.</param>
/// <param name="Value">The estimate in <paramref name="Unit"/>.</param>
/// <param name="Low">Lower end of the interval, or null where there is none.</param>
/// <param name="High">Upper end of the interval.</param>
/// <param name="Items">Number of test items.</param>
/// <param name="Unit"><c>%</c>, <c>ms</c>, <c>x</c> or empty.</param>
/// <param name="Target">Stated goal, or null for a figure without one.</param>
/// <param name="Note">What a reader needs to know to judge the number.</param>
public sealed record Figure(
    string Part, string Name, double Value, double? Low, double? High, int Items, string Unit, Target? Target = null, string? Note = null)
{
    /// <summary>Whether the goal is reached; null without a goal.</summary>
    [JsonIgnore]
    public bool? Met => Target is null ? null : Target.IsMetBy(Value);

    /// <summary>A share or error rate shown in percent.</summary>
    public static Figure Percent(string part, string name, Estimate estimate, Target? target = null, string? note = null) =>
        new(part, name, 100 * estimate.Value, 100 * estimate.Low, 100 * estimate.High, estimate.Items, "%", target, note);

    /// <summary>The value as text, e.g. "2.4 %".</summary>
    public string ValueText => Text(Value);

    /// <summary>The interval as text, e.g. "1.9 to 3.0", or empty.</summary>
    [JsonIgnore]
    public string IntervalText => Low is { } low && High is { } high ? $"{Number(low)} to {Number(high)}" : "";

    internal string Text(double value) => Unit.Length == 0 ? Number(value) : $"{Number(value)} {Unit}";

    private string Number(double value) => value.ToString(Unit switch { "%" => "0.0", "ms" => "0", "x" => "0.00", _ => "0.###" }, CultureInfo.InvariantCulture);
}

/// <summary>A goal for a figure.</summary>
/// <param name="AtMost">True: the value must not exceed the bound; false: it must reach it.</param>
/// <param name="Bound">In the unit of the figure.</param>
public sealed record Target(bool AtMost, double Bound)
{
    public static Target Max(double bound) => new(true, bound);

    public static Target Min(double bound) => new(false, bound);

    public bool IsMetBy(double value) => AtMost ? value <= Bound : value >= Bound;

    public override string ToString() => (AtMost ? "<= " : ">= ") + Bound.ToString("0.###", CultureInfo.InvariantCulture);
}
