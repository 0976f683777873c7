namespace Emova.Training.DataSets;

/// <summary>What speech units with their transcript are used for.</summary>
public enum SpeechTasks
{
    /// <summary>Both ways.</summary>
    Both,

    /// <summary>Units in, text out.</summary>
    Transcribe,

    /// <summary>Text in, units out.</summary>
    Speak,
}
