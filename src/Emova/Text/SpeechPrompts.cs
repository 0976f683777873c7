namespace Emova.Text;

/// <summary>
/// The instructions EMOVA was trained with. They are part of the interface, spelling mistakes included:
/// another wording is another model input.
/// </summary>
public static class SpeechPrompts
{
    /// <summary>Speech to text; followed by the units. The reply is the plain transcript.</summary>
    public const string Transcribe = "Please recognize the text corresponding to the follwing speech.\n";

    /// <summary>Text to speech; followed by the text. The reply is units only.</summary>
    public const string Speak = "Please synthesize the speech corresponding to the follwing text.\n";

    /// <summary>
    /// Spoken dialogue; followed by the units. The reply is the JSON object of <see cref="ReplyFormat"/>.
    /// Each <c>\n</c> is a backslash and an n, and one comma of the example is the full-width U+FF0C.
    /// </summary>
    public const string Dialogue =
        """Please recognize the texts, emotion and pitch from the user question speech units and provide the texts, emotion, pitch and speech units for the assistant response. """ +
        """\nEmotion should be chosen from ["neutral", "happy", "sad", "angry", "surprised", "disgusted", "fearful"]. """ +
        """\nPitch should be chosen from ["low", "normal", "high"].\nYour output should be in json format.\nAn output example is:\n""" +
        """{"user question text": "", "user question emotion": "", "user question pitch": "", "assistant response text": "", """ +
        "\"assistant response emotion\": \"\", \"assistant response pitch\": \"\"\uFF0C\"assistant response speech\": \"\"}" +
        """\n\nuser question speech:""";
}
