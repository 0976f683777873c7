namespace Emova.Training.DataSets;

/// <summary>A whole corpus needs a library that is not installed: a matter for the person, not one of its items.</summary>
public sealed class MissingLibraryException(string message) : EmovaException(message);
