namespace Emova.Training.Experiments;

/// <summary>What the units of a corpus tell.</summary>
public enum UnitKind
{
    /// <summary>The corpus as it is.</summary>
    AsEncoded,

    /// <summary>A part of the corpus, with its units: what is said, not how.</summary>
    Semantic,

    /// <summary>The same part, each unit with a further digit: the pitch of the voice at that moment.</summary>
    WithPitch,
}
