namespace Emova.Server.Engine;

/// <summary>A conversation does not fit into the model's context, and nothing may be left out of it or what is left is still too long.</summary>
internal sealed class ContextLengthException(string message) : EmovaException(message)
{
    /// <summary>How clients tell it from other wrong values.</summary>
    public const string Code = "context_length_exceeded";
}
