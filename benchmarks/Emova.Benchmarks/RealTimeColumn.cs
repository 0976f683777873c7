using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Emova.Benchmarks;

/// <summary>Seconds of audio per second of computation, for the benchmarks that process audio.</summary>
public sealed class RealTimeColumn : IColumn
{
    public string Id => nameof(RealTimeColumn);

    public string ColumnName => "Real time";

    public bool AlwaysShow => false;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => "Seconds of audio per second of computation";

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(IsAudio);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        double? nanoseconds = IsAudio(benchmarkCase) ? summary[benchmarkCase]?.ResultStatistics?.Median : null;
        return nanoseconds is double time ? $"{SpeechBenchmarks.Seconds / (time * 1e-9):0}x" : "-";
    }

    private static bool IsAudio(BenchmarkCase benchmarkCase) => benchmarkCase.Descriptor.Type == typeof(SpeechBenchmarks);
}
