namespace Emova.Server.Engine;

/// <summary>Something that became known while a request is served.</summary>
public abstract record EngineEvent
{
    private EngineEvent()
    {
    }

    /// <summary>Tokens written when this became known, units excluded.</summary>
    public int TextTokens { get; init; }

    /// <summary>Units written when this became known.</summary>
    public int AudioTokens { get; init; }

    /// <summary>The request left the queue and its prompt was read.</summary>
    /// <param name="Prompt">The tokens of the prompt.</param>
    public sealed record Started(PromptUsage Prompt) : EngineEvent
    {
        /// <summary>How many of the oldest messages had to be left out.</summary>
        public int LeftOut { get; init; }
    }

    /// <summary>More of what was heard.</summary>
    /// <param name="Text">New characters.</param>
    public sealed record Heard(string Text) : EngineEvent;

    /// <summary>How the user sounded; what was heard is complete.</summary>
    /// <param name="Emotion">One of <see cref="Emova.Text.ReplyFormat.Emotions"/>.</param>
    /// <param name="Pitch">One of <see cref="Emova.Text.ReplyFormat.Pitches"/>.</param>
    public sealed record UserMood(string Emotion, string Pitch) : EngineEvent;

    /// <summary>More of the answer (or of the transcript).</summary>
    /// <param name="Text">New characters.</param>
    public sealed record Answer(string Text) : EngineEvent;

    /// <summary>The style the answer will be spoken in.</summary>
    /// <param name="Emotion">The model's choice.</param>
    /// <param name="Pitch">The model's choice.</param>
    /// <param name="Style">The voice that will be used.</param>
    public sealed record Mood(string Emotion, string Pitch, string Style) : EngineEvent;

    /// <summary>The next piece of audio; it follows the previous piece without a gap.</summary>
    /// <param name="Samples">Full scale = 1.</param>
    /// <param name="SampleRate">Samples per second.</param>
    public sealed record Audio(float[] Samples, int SampleRate) : EngineEvent
    {
        /// <summary>Units whose end became known with this piece; some may end after it, and repeated units end together.</summary>
        public IReadOnlyList<SpokenUnit> Units { get; init; } = [];
    }

    /// <summary>The end.</summary>
    /// <param name="Result">Everything once more, without the audio.</param>
    public sealed record Finished(EngineResult Result) : EngineEvent;
}

/// <summary>A unit and its place in the audio of an answer.</summary>
/// <param name="Unit">The unit.</param>
/// <param name="End">Samples from the beginning of the answer to its end.</param>
public readonly record struct SpokenUnit(int Unit, long End);
