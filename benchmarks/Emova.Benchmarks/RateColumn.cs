using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Emova.Benchmarks;

/// <summary>Bytes or operations per second of the shortest iteration of <see cref="WeightBenchmarks"/>.</summary>
public sealed class RateColumn : IColumn
{
    public string Id => nameof(RateColumn);

    public string ColumnName => "Best rate";

    public bool AlwaysShow => false;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 1;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => "Weight bytes read (one row) or multiplications and additions (several rows) per second, in the shortest iteration";

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(IsProduct);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        double? nanoseconds = IsProduct(benchmarkCase) ? summary[benchmarkCase]?.ResultStatistics?.Min : null;
        if (nanoseconds is not double time) return "-";
        (double amount, string unit) = WeightBenchmarks.WorkOf(
            benchmarkCase.Descriptor.WorkloadMethod.Name, (string)benchmarkCase.Parameters[nameof(WeightBenchmarks.Shape)],
            (string)benchmarkCase.Parameters[nameof(WeightBenchmarks.Format)], (int)benchmarkCase.Parameters[nameof(WeightBenchmarks.Rows)]);
        return $"{amount / time:0.0} {unit}";
    }

    private static bool IsProduct(BenchmarkCase benchmarkCase) => benchmarkCase.Descriptor.Type == typeof(WeightBenchmarks);
}
