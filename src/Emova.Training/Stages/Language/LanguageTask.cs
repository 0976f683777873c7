namespace Emova.Training.Stages.Language;

/// <summary>What a training sample asks of the language model.</summary>
public enum LanguageTask
{
    /// <summary>A sentence on its own.</summary>
    Sentence,

    /// <summary>Typed conversation; a picture, where there is one, is told in words.</summary>
    Conversation,

    /// <summary>Picture in, caption out, no instruction (template `plain`).</summary>
    Caption,

    /// <summary>Typed conversation about a picture.</summary>
    Picture,

    /// <summary>Units to text.</summary>
    Transcribe,

    /// <summary>Text to units.</summary>
    Speak,

    /// <summary>Spoken question, JSON reply with units, no picture.</summary>
    SpokenReply,

    /// <summary>Spoken question about a picture, JSON reply with units.</summary>
    SpokenPicture,
}
