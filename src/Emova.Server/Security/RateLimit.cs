namespace Emova.Server.Security;

/// <summary>What a caller may use in a minute, and what is left of it.</summary>
/// <param name="Name">What is counted, as the Realtime protocol names it.</param>
/// <param name="Limit">The amount for a minute.</param>
/// <param name="Remaining">What may be used at once.</param>
/// <param name="Reset">Time until all of it is there again.</param>
internal readonly record struct RateLimit(string Name, int Limit, int Remaining, TimeSpan Reset);

/// <summary>A live session's caller has used up what is allowed in a minute (over HTTP that is status 429).</summary>
internal sealed class RateLimitException(string message) : Exception(message)
{
    /// <summary>How clients tell it from other failures.</summary>
    public const string Code = "rate_limit_exceeded";
}
