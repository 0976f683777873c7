using Emova.Generation;
using Emova.Media;
using Emova.Text;

namespace Emova.Server.Engine;

/// <summary>What a request wants of the model.</summary>
public enum EngineTask
{
    /// <summary>
    /// The next message of the conversation. When the last user message has speech, the model writes the spoken reply (what it
    /// heard, moods, answer, units); otherwise it writes text.
    /// </summary>
    Answer,

    /// <summary>The last message's speech as text, nothing else.</summary>
    Transcribe,

    /// <summary>The last message's text aloud, nothing else.</summary>
    Speak,
}

/// <summary>
/// One request. It carries the whole conversation: the engine recognizes the beginning of conversations it has seen and computes
/// only what is new, so nothing has to be kept open between turns and any item may be changed or removed.
/// </summary>
public sealed record EngineRequest
{
    /// <summary>What to do.</summary>
    public EngineTask Task { get; init; } = EngineTask.Answer;

    /// <summary>The messages so far, oldest first; the last one is the user's.</summary>
    public required IReadOnlyList<EngineMessage> Messages { get; init; }

    /// <summary>Instructions in the place of the model's usual system text; null for the usual one.</summary>
    public string? System { get; init; }

    /// <summary>Whether the answer is wanted aloud.</summary>
    public bool Speak { get; init; }

    /// <summary>The form of a text answer; null for plain text. A spoken reply whose form is given is text.</summary>
    public ReplyGrammar? Grammar { get; init; }

    /// <summary>How tokens are chosen.</summary>
    public SamplingOptions Sampling { get; init; } = SamplingOptions.Greedy;

    /// <summary>How the answer sounds.</summary>
    public VoiceOptions Voice { get; init; } = new();

    /// <summary>Most tokens to write, units included; null for as many as fit.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Texts that end the answer before they appear in it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>What happens when the messages do not fit into the model's context.</summary>
    public ContextTruncation Truncation { get; init; } = ContextTruncation.None;
}

/// <summary>What happens to a conversation that is longer than the context: the oldest turns are left out, or the request fails.</summary>
/// <param name="IsAllowed">Whether turns may be left out.</param>
/// <param name="Retain">
/// Share of the room that is filled again once turns have to go, 0 to 1: below 1 more go at once than must, and the beginning of the
/// conversation stays the same, and cached, for some turns.
/// </param>
/// <param name="MostTokens">Most tokens of the messages, the system text not counted; null for as many as there is room for.</param>
public sealed record ContextTruncation(bool IsAllowed, double Retain = 1, int? MostTokens = null)
{
    /// <summary>A conversation that does not fit fails.</summary>
    public static ContextTruncation None { get; } = new(false);
}

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Text">
/// What is typed; for the assistant, what the model wrote (<see cref="EngineResult.Raw"/>), or <see cref="ReplyFormat.Write"/> of a
/// spoken reply that was cut short.
/// </param>
/// <param name="Speech">What the user says; typed text stands before it.</param>
/// <param name="Picture">What the user shows.</param>
public sealed record EngineMessage(ConversationRole Role, string? Text, SpeechInput? Speech = null, PictureInput? Picture = null);

/// <summary>A recording. Keep the object with its message: the engine keeps here what it computed of it.</summary>
public sealed class SpeechInput(AudioClip clip)
{
    /// <summary>The recording at any sample rate; its samples are released once the units are known.</summary>
    public AudioClip? Clip { get; private set; } = clip;

    /// <summary>Length of the recording.</summary>
    public TimeSpan Duration { get; } = clip.Duration;

    /// <summary>The recording as token text of units; null until the engine has heard it.</summary>
    internal string? Units { get; private set; }

    /// <summary>The units as they were heard and how often each came in a row; empty until the engine has heard the recording.</summary>
    internal IReadOnlyList<(int Unit, int Length)> Runs { get; private set; } = [];

    internal void SetUnits(string units, IReadOnlyList<(int Unit, int Length)> runs) => (Units, Runs, Clip) = (units, runs, null);
}

/// <summary>A picture. Keep the object with its message: the engine keeps here what it computed of it.</summary>
public sealed class PictureInput(RgbImage image)
{
    /// <summary>The picture; its pixels are released once the features are known.</summary>
    public RgbImage? Image { get; private set; } = image;

    /// <summary>What the language model sees of it; null until the engine has seen it.</summary>
    internal PromptImage? Features { get; private set; }

    /// <summary>Bytes held for it: pixels, or the features that took their place.</summary>
    internal long HeldBytes => Image is { } image ? 3L * image.Width * image.Height : Features?.Features.Length * (long)sizeof(float) ?? 0;

    internal void SetFeatures(PromptImage features) => (Features, Image) = (features, null);
}
