using System.Net;
using Emova.Server.Engine;

namespace Emova.Server;

/// <summary>Checks the settings at start; each message names the key and the allowed range.</summary>
internal static class ServerOptionsCheck
{
    public static IReadOnlyList<string> Errors(ServerOptions options)
    {
        List<string> errors = [];
        if (options.Model.Length == 0)
            errors.Add($"{Key(nameof(options.Model))} is missing: the model folder");
        if (options.Host != "localhost" && !IPAddress.TryParse(options.Host, out _))
            errors.Add($"{Key(nameof(options.Host))} is '{options.Host}', allowed is an IP address or localhost");
        else if (options.ApiKeyFile.Length == 0 && options.Host != "localhost" && !IPAddress.IsLoopback(IPAddress.Parse(options.Host)))
            errors.Add($"{Key(nameof(options.Host))} is {options.Host}, which others can reach: that needs API keys ({Key(nameof(options.ApiKeyFile))})");
        Range(nameof(options.Port), options.Port, 0, 65535);
        Range(nameof(options.DrainSeconds), options.DrainSeconds, 0, 3600);
        Range("Engine:Slots", options.Engine.Slots, 1, 256);
        Range("Engine:QueueLength", options.Engine.QueueLength, 1, 10_000);
        Range("Engine:ContextLength", options.Engine.ContextLength, 0, int.MaxValue);
        Range("Engine:MaxConversationBytes", options.Engine.MaxConversationBytes, 0, long.MaxValue);
        Range("Engine:MaxTextBytes", options.Engine.MaxTextBytes, 1, 1_000_000);
        Range("Engine:MaxUnits", options.Engine.MaxUnits, 1, 100_000);
        Range("Limits:MaxConnections", options.Limits.MaxConnections, 1, 100_000);
        Range("Limits:MaxBodyBytes", options.Limits.MaxBodyBytes, 1 << 10, 1 << 30);
        Range("Limits:MaxAudioSeconds", options.Limits.MaxAudioSeconds, 1, 3600);
        Range("Limits:MaxImagePixels", options.Limits.MaxImagePixels, 784, 1_000_000_000);
        Range("Limits:RequestsPerMinute", options.Limits.RequestsPerMinute, 0, 1_000_000);
        Range("Limits:ConcurrentRequests", options.Limits.ConcurrentRequests, 1, 100_000);
        Range("Limits:AudioSecondsPerMinute", options.Limits.AudioSecondsPerMinute, 0, 1_000_000);
        Range("Realtime:MaxSessions", options.Realtime.MaxSessions, 1, 10_000);
        Range("Realtime:SessionMinutes", options.Realtime.SessionMinutes, 1, 1440);
        Range("Realtime:MaxQueuedBytes", options.Realtime.MaxQueuedBytes, 1 << 16, 1 << 30);
        Range("Realtime:StallSeconds", options.Realtime.StallSeconds, 1, 3600);
        Range("Realtime:PingSeconds", options.Realtime.PingSeconds, 1, 3600);
        Range("Realtime:MaxSessionBytes", options.Realtime.MaxSessionBytes, 1 << 20, 1L << 36);
        Range("Telemetry:MetricsSeconds", options.Telemetry.MetricsSeconds, 1, 3600);
        if (options.Telemetry.Protocol is not ("grpc" or "http"))
            errors.Add($"{Key("Telemetry:Protocol")} is '{options.Telemetry.Protocol}', allowed are grpc and http");
        if (options.Telemetry.OtlpEndpoint.Length > 0 && !(Uri.TryCreate(options.Telemetry.OtlpEndpoint, UriKind.Absolute, out Uri? collector) && collector.Scheme is "http" or "https"))
            errors.Add($"{Key("Telemetry:OtlpEndpoint")} is '{options.Telemetry.OtlpEndpoint}', allowed is an address such as http://127.0.0.1:4317");
        if (VoiceNames.Find(options.Realtime.Voice) is null)
            errors.Add($"{Key("Realtime:Voice")} is '{options.Realtime.Voice}', allowed are female, male and styles such as female-happy-high");
        foreach (string origin in options.AllowedOrigins)
        {
            if (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || uri.GetLeftPart(UriPartial.Authority) != origin)
                errors.Add($"{Key(nameof(options.AllowedOrigins))} has '{origin}', allowed are origins such as https://example.org");
        }

        foreach (string host in options.AllowedRemoteHosts)
        {
            if (Uri.CheckHostName(host) == UriHostNameType.Unknown)
                errors.Add($"{Key(nameof(options.AllowedRemoteHosts))} has '{host}', allowed are host names");
        }

        return errors;

        void Range(string key, long value, long minimum, long maximum)
        {
            if (value < minimum || value > maximum)
                errors.Add($"{Key(key)} is {value}, allowed is {minimum} to {maximum}");
        }
    }

    private static string Key(string key) => $"{ServerOptions.Section}:{key}";
}
