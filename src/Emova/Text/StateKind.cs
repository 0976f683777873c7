namespace Emova.Text;

/// <summary>What a state of the automaton is in the middle of.</summary>
internal enum StateKind
{
    /// <summary>Fixed characters or the words of a choice.</summary>
    Literal,

    /// <summary>Before the first character of free text.</summary>
    TextStart,

    /// <summary>Inside free text, between characters.</summary>
    Text,

    /// <summary>Inside an escape or a multi-byte character.</summary>
    InsideCharacter,

    /// <summary>Where a speech unit may come.</summary>
    Units,
}
