using System.Globalization;
using Emova.Models.Speech;
using Emova.Server.Engine;
using Microsoft.Extensions.AI;

namespace Emova.Extensions.AI;

/// <summary>
/// Keys of <c>AdditionalProperties</c> for what Microsoft.Extensions.AI has no property for. Options take <see cref="Voice"/>,
/// <see cref="Emotion"/>, <see cref="Pitch"/> and <see cref="Speed"/>; answers carry <see cref="Heard"/> and the moods.
/// </summary>
public static class EmovaProperties
{
    /// <summary>
    /// In chat options: answer aloud in this voice. <c>female</c> or <c>male</c> leave emotion and pitch to the model, a style such as
    /// <c>female-happy-high</c> keeps to it.
    /// </summary>
    public const string Voice = "voice";

    /// <summary>The emotion of the voice; in answers, the one the model chose.</summary>
    public const string Emotion = "emotion";

    /// <summary>The pitch of the voice; in answers, the one the model chose.</summary>
    public const string Pitch = "pitch";

    /// <summary>The speed of the voice, 0.25 to 4.</summary>
    public const string Speed = "speed";

    /// <summary>In answers to speech: what was heard.</summary>
    public const string Heard = "heard";

    /// <summary>In answers to speech: the emotion in the user's voice.</summary>
    public const string UserEmotion = "user_emotion";

    /// <summary>In answers to speech: the pitch of the user's voice.</summary>
    public const string UserPitch = "user_pitch";

    /// <summary>In answers: what the model wrote. Messages that keep it are cheaper and truer as context than their text alone.</summary>
    public const string Raw = "emova_raw";

    internal const float SlowestSpeed = 0.25f, FastestSpeed = 4;

    /// <summary>The voice that options ask for.</summary>
    /// <exception cref="ArgumentException">There is no such voice, or the speed is out of range.</exception>
    internal static VoiceOptions ReadVoice(string? name, float? speed, AdditionalPropertiesDictionary? properties)
    {
        name ??= Text(properties, Voice) ?? SpeechStyle.Genders[0];
        VoiceOptions voice = VoiceNames.Find(name)
            ?? throw new ArgumentException($"voice '{name}' is unknown: expected female, male, or a style such as female-happy-high");
        voice = voice with { Emotion = Text(properties, Emotion) ?? voice.Emotion, Pitch = Text(properties, Pitch) ?? voice.Pitch };
        speed ??= properties is not null && properties.TryGetValue(Speed, out object? value) && value is not null ? Convert.ToSingle(value, CultureInfo.InvariantCulture) : null;
        if (speed is not null and not (>= SlowestSpeed and <= FastestSpeed))
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"speed {speed} is out of range, allowed are {SlowestSpeed} to {FastestSpeed}"));
        return (speed is null ? voice : voice with { Dials = voice.Dials with { Speed = speed.Value } }).Validate();
    }

    internal static string? Text(AdditionalPropertiesDictionary? properties, string key) =>
        properties is not null && properties.TryGetValue(key, out object? value) ? value?.ToString() : null;
}
