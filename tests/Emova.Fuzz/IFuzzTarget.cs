namespace Emova.Fuzz;

/// <summary>A parser of files from outside. Anything it throws other than <see cref="EmovaException"/> is a defect.</summary>
public interface IFuzzTarget
{
    /// <summary>Name on the command line.</summary>
    static abstract string Name { get; }

    /// <summary>Valid inputs that mutations start from.</summary>
    static abstract IReadOnlyList<byte[]> Seeds();

    /// <summary>Parses one input completely.</summary>
    static abstract void Fuzz(ReadOnlySpan<byte> data);
}
