using Emova.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Emova.Server.Http;

/// <summary>A request that cannot be served, in the terms of OpenAI's error object.</summary>
internal sealed class ApiException(int status, string type, string? code, string? param, string message) : Exception(message)
{
    public int Status { get; } = status;

    /// <summary>How long a caller should wait before trying again; null where that is no help.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    public ApiError Error { get; } = new(new ApiErrorBody(message, type, param, code));

    /// <summary>A parameter that is missing, of the wrong kind or out of range.</summary>
    public static ApiException Invalid(string? param, string message, string code = "invalid_value") =>
        new(StatusCodes.Status400BadRequest, "invalid_request_error", code, param, message);

    /// <summary>A parameter of the protocol that this server does not have.</summary>
    public static ApiException Unsupported(string param, string message) => Invalid(param, message, "unsupported_value");

    public static ApiException Missing(string param) => Invalid(param, $"Missing required parameter: '{param}'.", "missing_required_parameter");

    public static ApiException UnknownModel(string model, string served) =>
        new(StatusCodes.Status404NotFound, "invalid_request_error", "model_not_found", "model", $"The model '{model}' does not exist here; this server has '{served}'.");

    public static ApiException TooLarge(string param, string message) =>
        new(StatusCodes.Status413PayloadTooLarge, "invalid_request_error", "payload_too_large", param, message);

    public static ApiException UnsupportedMedia(string message) =>
        new(StatusCodes.Status415UnsupportedMediaType, "invalid_request_error", "unsupported_media_type", null, message);

    public static ApiException Busy(string message) =>
        new(StatusCodes.Status503ServiceUnavailable, "server_error", "overloaded", null, message) { RetryAfter = TimeSpan.FromSeconds(1) };

    public static ApiException TooMany(string message, TimeSpan wait) =>
        new(StatusCodes.Status429TooManyRequests, "requests", "rate_limit_exceeded", null, message) { RetryAfter = wait };

    public static ApiException Internal() =>
        new(StatusCodes.Status500InternalServerError, "server_error", "internal_error", null, "The server had an error while processing the request.");
}
