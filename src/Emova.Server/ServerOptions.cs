using Emova.Server.Realtime;

namespace Emova.Server;

/// <summary>
/// Settings of <c>emova serve</c>: section <c>Emova</c> of appsettings.json, environment variables <c>EMOVA__PORT</c> (two
/// underscores between levels), and the command line; later ones win. Unknown keys and values out of range stop the start.
/// </summary>
public sealed class ServerOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Emova";

    /// <summary>The model folder.</summary>
    public string Model { get; set; } = "";

    /// <summary>A folder to take the speech parts from; empty for the model's own.</summary>
    public string SpeechTokenizer { get; set; } = "";

    /// <summary>A folder with an adapter that changes the model (LoRA or DoRA, PEFT format); empty for none.</summary>
    public string Adapter { get; set; } = "";

    /// <summary>Folders of speakers to add to the model's voices (<c>emova-train voice</c>), besides those in its folder <c>voices</c>.</summary>
    public string[] Voices { get; set; } = [];

    /// <summary>The model's name in the protocol; empty for the name of its folder.</summary>
    public string ModelName { get; set; } = "";

    /// <summary>Address to listen on: an IP address, or localhost.</summary>
    public string Host { get; set; } = "127.0.0.1";

    /// <summary>Port, 0 to 65535; 0 takes a free one.</summary>
    public int Port { get; set; } = 8080;

    /// <summary>File with one hashed API key a line (<c>emova serve --new-api-key</c>); empty for no keys.</summary>
    public string ApiKeyFile { get; set; } = "";

    /// <summary>Web origins besides the server's own that may call it, such as <c>https://example.org</c>.</summary>
    public string[] AllowedOrigins { get; set; } = [];

    /// <summary>Hosts that pictures and recordings may be fetched from; empty for none.</summary>
    public string[] AllowedRemoteHosts { get; set; } = [];

    /// <summary>Seconds that running replies get to finish when the server is asked to stop, 0 to 3600.</summary>
    public int DrainSeconds { get; set; } = 30;

    /// <summary>The engine.</summary>
    public EngineOptions Engine { get; set; } = new();

    /// <summary>Limits on what a caller may ask for.</summary>
    public LimitOptions Limits { get; set; } = new();

    /// <summary>Live sessions.</summary>
    public RealtimeOptions Realtime { get; set; } = new();

    /// <summary>Where traces and measurements are sent to.</summary>
    public TelemetryOptions Telemetry { get; set; } = new();
}

/// <summary>Settings of the inference engine.</summary>
public sealed class EngineOptions
{
    /// <summary>Replies written at the same time, 1 to 256.</summary>
    public int Slots { get; set; } = 8;

    /// <summary>Requests that may wait for a slot, 1 to 10000; more are refused with status 503.</summary>
    public int QueueLength { get; set; } = 64;

    /// <summary>Positions a conversation may have; 0 takes the model's maximum, but not more than 8192.</summary>
    public int ContextLength { get; set; }

    /// <summary>Most bytes of keys and values of one conversation, which bounds its positions; 0 for no other bound than those.</summary>
    public long MaxConversationBytes { get; set; }

    /// <summary>Most bytes of one text the model writes, 1 to 1000000.</summary>
    public int MaxTextBytes { get; set; } = 4096;

    /// <summary>Most speech units of one answer, 1 to 100000; 1000 are 40 seconds and more.</summary>
    public int MaxUnits { get; set; } = 1000;

    /// <summary>Whether generated speech carries a mark that <c>emova provenance</c> recognizes (<see cref="Emova.Media.ProvenanceMark"/>).</summary>
    public bool MarkSpeech { get; set; }
}

/// <summary>Where traces and measurements are sent to, by OpenTelemetry's protocol.</summary>
public sealed class TelemetryOptions
{
    /// <summary>Address of a collector, such as <c>http://127.0.0.1:4317</c>; empty for none.</summary>
    public string OtlpEndpoint { get; set; } = "";

    /// <summary><c>grpc</c> (port 4317 as a rule), or <c>http</c> for Protobuf over HTTP (4318), to which <c>/v1/traces</c> and <c>/v1/metrics</c> are added.</summary>
    public string Protocol { get; set; } = "grpc";

    /// <summary>Seconds between two reports of the measurements, 1 to 3600.</summary>
    public int MetricsSeconds { get; set; } = 60;
}

/// <summary>Limits on what a caller may ask for.</summary>
public sealed class LimitOptions
{
    /// <summary>Open connections, 1 to 100000.</summary>
    public int MaxConnections { get; set; } = 1000;

    /// <summary>Largest request body in bytes, 1 KiB to 1 GiB.</summary>
    public long MaxBodyBytes { get; set; } = 32 << 20;

    /// <summary>Longest recording in seconds, 1 to 3600.</summary>
    public int MaxAudioSeconds { get; set; } = 300;

    /// <summary>Largest width x height of a picture, 784 to 1000000000.</summary>
    public long MaxImagePixels { get; set; } = 16_000_000;

    /// <summary>Requests a minute and key (or address, without keys), 1 to 1000000; 0 for no limit.</summary>
    public int RequestsPerMinute { get; set; } = 600;

    /// <summary>Requests and live sessions of one key (or address) at the same time, 1 to 100000.</summary>
    public int ConcurrentRequests { get; set; } = 32;

    /// <summary>Seconds of audio in and out a minute and key (or address), 1 to 1000000; 0 for no limit.</summary>
    public int AudioSecondsPerMinute { get; set; } = 3600;
}
