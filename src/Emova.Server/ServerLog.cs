using Microsoft.Extensions.Logging;

namespace Emova.Server;

/// <summary>What the server logs. Nothing a person said, typed or showed is among it.</summary>
internal static partial class ServerLog
{
    [LoggerMessage(1, LogLevel.Information, "Listening on {Addresses} with {Model}")]
    public static partial void Listening(ILogger logger, string addresses, string model);

    [LoggerMessage(2, LogLevel.Error, "{Method} {Path} failed")]
    public static partial void Failed(ILogger logger, string method, string path, Exception error);

    [LoggerMessage(4, LogLevel.Information, "{Method} {Path} {Status} in {Milliseconds} ms for {Caller}")]
    public static partial void Request(ILogger logger, string method, string path, int status, double milliseconds, string caller);

    [LoggerMessage(3, LogLevel.Error, "A reply failed")]
    public static partial void ReplyFailed(ILogger logger, Exception error);

    [LoggerMessage(20, LogLevel.Warning, "A live client was disconnected: it read nothing for {Seconds} s")]
    public static partial void ClientStalled(ILogger logger, int seconds);
}
