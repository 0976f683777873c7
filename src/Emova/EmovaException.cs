namespace Emova;

/// <summary>
/// Input from outside that cannot be used: a damaged file, an option out of range, a model folder that does not fit together.
/// The message is one line that names the file or option and says why. Programming errors use the standard exceptions instead.
/// </summary>
public class EmovaException : Exception
{
    /// <summary>Creates the exception with a one-line message naming the file or option and the reason.</summary>
    public EmovaException(string message) : base(message)
    {
    }

    /// <summary>Creates the exception with a one-line message and the lower-level error that caused it.</summary>
    public EmovaException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
