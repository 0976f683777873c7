namespace Emova.Server.Realtime;

/// <summary>A client event that cannot be carried out; it becomes an <c>error</c> event and the session goes on.</summary>
internal sealed class RealtimeException(string code, string message, string? param = null) : Exception(message)
{
    public string Code { get; } = code;

    public string? Param { get; } = param;

    public static RealtimeException Missing(string path) => new("missing_required_parameter", $"Missing required parameter: '{path}'.", path);

    public static RealtimeException Unknown(string path) => new("unknown_parameter", $"Unknown parameter: '{path}'.", path);

    public static RealtimeException Invalid(string path, string message) => new("invalid_value", message, path);

    public static RealtimeException Unsupported(string path, string message) => new("unsupported_value", message, path);

    public static RealtimeException OneOf(string path, string value, IEnumerable<string> allowed) =>
        Invalid(path, $"Invalid value: '{value}'. Supported values are: {string.Join(", ", allowed.Select(name => $"'{name}'"))}.");
}
