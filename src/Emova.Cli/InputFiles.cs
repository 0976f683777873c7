namespace Emova.Cli;

/// <summary>Adds the names of input files to errors that only become known once the model looks at their content.</summary>
internal static class InputFiles
{
    /// <summary>Runs the work; an error that names none of the files is said to be about all of them.</summary>
    public static T Naming<T>(IEnumerable<string?> files, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (EmovaException error) when (files.OfType<string>().ToArray() is [_, ..] names && !names.Any(name => error.Message.Contains(name, StringComparison.Ordinal)))
        {
            throw new EmovaException($"{string.Join(", ", names)}: {error.Message}", error);
        }
    }
}
