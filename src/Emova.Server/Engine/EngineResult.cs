namespace Emova.Server.Engine;

/// <summary>Why an answer ended.</summary>
public enum EndReason
{
    /// <summary>The model ended it, or a stop text came.</summary>
    Stop,

    /// <summary>It reached the wanted number of tokens, or the conversation is full.</summary>
    Length,
}

/// <summary>A finished answer.</summary>
/// <param name="Text">The answer, or the transcript.</param>
/// <param name="Heard">What was heard; null unless a spoken reply was written.</param>
/// <param name="UserEmotion">The emotion in the user's voice; null unless a spoken reply was written.</param>
/// <param name="UserPitch">The pitch of the user's voice; null unless a spoken reply was written.</param>
/// <param name="Emotion">The emotion the model chose; null unless a spoken reply was written.</param>
/// <param name="Pitch">The pitch the model chose; null unless a spoken reply was written.</param>
/// <param name="Style">The voice the audio was made with; null without audio.</param>
/// <param name="Units">The answer as speech units; empty without audio.</param>
/// <param name="Raw">Everything the model wrote, to be given as the assistant's message in the next turn.</param>
/// <param name="End">Why it ended.</param>
/// <param name="Prompt">Tokens of the prompt.</param>
/// <param name="TextTokens">Tokens written, units excluded.</param>
/// <param name="AudioTokens">Units written.</param>
/// <param name="Timings">How long it took; <see cref="ReplyTimings.FirstAudio"/> counts from the moment the request left the queue.</param>
public sealed record EngineResult(
    string Text, string? Heard, string? UserEmotion, string? UserPitch, string? Emotion, string? Pitch, string? Style, IReadOnlyList<int> Units,
    string Raw, EndReason End, PromptUsage Prompt, int TextTokens, int AudioTokens, ReplyTimings Timings);

/// <summary>Tokens of a prompt by kind; the parts add up to the total.</summary>
/// <param name="Text">Tokens of text, control tokens included.</param>
/// <param name="Audio">Speech units.</param>
/// <param name="Image">Positions of pictures.</param>
/// <param name="Cached">How many of all these did not have to be computed.</param>
public sealed record PromptUsage(int Text, int Audio, int Image, int Cached)
{
    /// <summary>All tokens.</summary>
    public int Total => Text + Audio + Image;
}
