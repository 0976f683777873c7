namespace Emova.Training.DataSets;

/// <summary>What can be wrong with an item of a data set.</summary>
public enum DefectKind
{
    /// <summary>A file that an item names does not exist.</summary>
    MissingFile,

    /// <summary>A picture that cannot be decoded or has an unusable size.</summary>
    BrokenPicture,

    /// <summary>A recording that cannot be decoded, is silent, too short or too long.</summary>
    BrokenAudio,

    /// <summary>Samples that are infinite or no numbers.</summary>
    NotANumber,

    /// <summary>A sample rate below that of intelligible speech, or one that does not fit the length of the transcript.</summary>
    WrongRate,

    /// <summary>A transcript, question or answer without text.</summary>
    EmptyText,

    /// <summary>An id that an earlier item has.</summary>
    DuplicateId,

    /// <summary>A record that is not what its format says.</summary>
    BadRecord,

    /// <summary>Speech units that do not exist or that the tokenizer does not see as such.</summary>
    BadUnits,

    /// <summary>Nothing is left to learn within the longest sequence.</summary>
    TooLong,
}
