using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Emova.Server.Operations;

/// <summary>Collects what the server and the web framework measure, and writes it in Prometheus' text format (version 0.0.4).</summary>
internal sealed class PrometheusMetrics : IDisposable
{
    // A label may take its values from requests (routes): beyond this many series an instrument counts no new ones.
    private const int MaxSeries = 500;

    /// <summary>Whose measurements are shown.</summary>
    public static readonly IReadOnlyList<string> Meters = [ServerMetrics.Name, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];
    private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<Instrument, Family> _families = [];

    /// <param name="factory">Whose instruments are collected: those of one server, when a process has several.</param>
    public PrometheusMetrics(IMeterFactory factory)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (Meters.Contains(instrument.Meter.Name) && ReferenceEquals(instrument.Meter.Scope, factory))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>All series at this moment.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        StringBuilder text = new();
        foreach ((Instrument instrument, Family family) in _families.OrderBy(pair => pair.Key.Name, StringComparer.Ordinal))
            family.Write(text, Name(instrument), instrument.Description);
        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        Family family = _families.GetOrAdd(instrument, Create);
        StringBuilder labels = new();
        foreach ((string key, object? tag) in tags)
        {
            labels.Append(labels.Length > 0 ? "," : "").Append(Plain(key)).Append("=\"");
            string written = Convert.ToString(tag, CultureInfo.InvariantCulture) ?? "";
            labels.Append(written.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('"');
        }

        family.Record(labels.ToString(), value);
    }

    private static Family Create(Instrument instrument)
    {
        string kind = instrument.GetType().Name;
        if (kind.StartsWith("Histogram", StringComparison.Ordinal))
        {
            double[] bounds = instrument switch
            {
                Histogram<double> { Advice.HistogramBucketBoundaries: { } given } => [.. given],
                Histogram<int> { Advice.HistogramBucketBoundaries: { } given } => [.. given.Select(bound => (double)bound)],
                _ => DefaultBounds,
            };
            return new Family("histogram", bounds);
        }

        return new Family(kind.StartsWith("Counter", StringComparison.Ordinal) ? "counter" : kind.Contains("UpDown", StringComparison.Ordinal) ? "sum" : "gauge", []);
    }

    private static string Name(Instrument instrument)
    {
        string name = Plain(instrument.Name);
        if (instrument.Unit == "s")
            name += name.EndsWith("_seconds", StringComparison.Ordinal) ? "" : "_seconds";
        return instrument.GetType().Name.StartsWith("Counter", StringComparison.Ordinal) ? name + "_total" : name;
    }

    private static string Plain(string name) => name.Replace('.', '_').Replace('-', '_');

    /// <summary>All series of an instrument.</summary>
    private sealed class Family(string kind, double[] bounds)
    {
        private readonly Lock _lock = new();
        private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);

        public void Record(string labels, double value)
        {
            lock (_lock)
            {
                if (!_series.TryGetValue(labels, out Series? series))
                {
                    if (_series.Count == MaxSeries)
                        return;
                    _series[labels] = series = new Series(new long[bounds.Length]);
                }

                series.Count++;
                series.Sum = kind == "gauge" ? value : series.Sum + value;
                for (int i = 0; i < bounds.Length; i++)
                    series.Buckets[i] += value <= bounds[i] ? 1 : 0;
            }
        }

        public void Write(StringBuilder text, string name, string? description)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {description?.ReplaceLineEndings(" ")}\n# TYPE {name} {(kind == "sum" ? "gauge" : kind)}\n");
            lock (_lock)
            {
                foreach ((string labels, Series series) in _series)
                {
                    string plain = labels.Length > 0 ? $"{{{labels}}}" : "", comma = labels.Length > 0 ? labels + "," : "";
                    if (kind != "histogram")
                    {
                        text.Append(CultureInfo.InvariantCulture, $"{name}{plain} {series.Sum}\n");
                        continue;
                    }

                    for (int i = 0; i < bounds.Length; i++)
                        text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{comma}le=\"{bounds[i]}\"}} {series.Buckets[i]}\n");
                    text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{comma}le=\"+Inf\"}} {series.Count}\n{name}_sum{plain} {series.Sum}\n{name}_count{plain} {series.Count}\n");
                }
            }
        }
    }

    private sealed class Series(long[] buckets)
    {
        public long[] Buckets { get; } = buckets;

        public long Count { get; set; }

        public double Sum { get; set; }
    }
}
