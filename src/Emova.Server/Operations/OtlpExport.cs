using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Emova.Server.Operations;

/// <summary>
/// Sends traces and measurements to a collector by OpenTelemetry's protocol: the replies' own and the web framework's. A class of its own,
/// so that a server without a collector loads none of it.
/// </summary>
internal static class OtlpExport
{
    public static void Add(IServiceCollection services, TelemetryOptions options) => services.AddOpenTelemetry()
        .ConfigureResource(resource => resource.AddService("emova", serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString(3)))
        .WithTracing(traces => traces.AddSource(ServerMetrics.Name, "Microsoft.AspNetCore").AddOtlpExporter(exporter => Configure(exporter, options, "v1/traces")))
        .WithMetrics(metrics => metrics.AddMeter([.. PrometheusMetrics.Meters]).AddOtlpExporter((exporter, reader) =>
        {
            Configure(exporter, options, "v1/metrics");
            reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = 1000 * options.MetricsSeconds;
        }));

    private static void Configure(OtlpExporterOptions exporter, TelemetryOptions options, string path)
    {
        bool http = options.Protocol == "http";
        exporter.Protocol = http ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
        Uri collector = new(options.OtlpEndpoint.TrimEnd('/') + "/");
        exporter.Endpoint = http ? new Uri(collector, path) : collector;
    }
}
