using Emova.Media;

namespace Emova;

/// <summary>Something that became known while a reply is being made.</summary>
public abstract record ReplyEvent
{
    private ReplyEvent()
    {
    }

    /// <summary>More of what was heard.</summary>
    /// <param name="Text">New characters.</param>
    public sealed record HeardText(string Text) : ReplyEvent;

    /// <summary>How the user sounded.</summary>
    /// <param name="Emotion">One of <see cref="Emova.Text.ReplyFormat.Emotions"/>.</param>
    /// <param name="Pitch">One of <see cref="Emova.Text.ReplyFormat.Pitches"/>.</param>
    public sealed record UserMood(string Emotion, string Pitch) : ReplyEvent;

    /// <summary>More of the answer.</summary>
    /// <param name="Text">New characters.</param>
    public sealed record AnswerText(string Text) : ReplyEvent;

    /// <summary>The style the answer will be spoken in.</summary>
    /// <param name="Emotion">The model's choice.</param>
    /// <param name="Pitch">The model's choice.</param>
    /// <param name="Style">The voice that will be used.</param>
    public sealed record AnswerMood(string Emotion, string Pitch, string Style) : ReplyEvent;

    /// <summary>The next piece of audio.</summary>
    /// <param name="Clip">Samples that follow the previous piece without a gap.</param>
    public sealed record AnswerAudio(AudioClip Clip) : ReplyEvent;

    /// <summary>The end: everything once more in one object.</summary>
    /// <param name="Reply">The finished answer.</param>
    public sealed record Finished(Reply Reply) : ReplyEvent;
}
