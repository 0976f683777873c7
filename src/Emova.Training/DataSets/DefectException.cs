namespace Emova.Training.DataSets;

/// <summary>An item that cannot be used. It is listed and left out; the others go on.</summary>
public sealed class DefectException : EmovaException
{
    /// <param name="kind">what is wrong</param>
    /// <param name="reason">one line</param>
    public DefectException(DefectKind kind, string reason)
        : base(reason) => Kind = kind;

    /// <summary>What is wrong.</summary>
    public DefectKind Kind { get; }
}
