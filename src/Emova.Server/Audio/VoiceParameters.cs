using System.Text.Json;
using Emova.Server.Engine;
using Emova.Server.Http;

namespace Emova.Server.Audio;

/// <summary>The parameters that say how speech sounds; each names itself when it is wrong.</summary>
internal static class VoiceParameters
{
    /// <summary>A voice given as a text or as <c>{"id": text}</c>.</summary>
    public static VoiceOptions Parse(JsonElement? voice, string param, EngineInfo info)
    {
        if (voice is null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined })
            throw ApiException.Missing(param);
        JsonElement value = voice.Value;
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("id", out JsonElement id))
            value = id;
        return value.ValueKind == JsonValueKind.String
            ? VoiceNames.Find(value.GetString()!, info.Speakers) ?? throw ApiException.Invalid(param, $"'{param}' is '{value.GetString()}': a voice is female, male, one of OpenAI's names, or one of /v1/audio/voices.")
            : throw ApiException.Invalid(param, $"'{param}' is a text or an object with an 'id'.", "invalid_type");
    }

    /// <summary>Applies the additions to OpenAI's parameters.</summary>
    public static VoiceOptions Apply(
        VoiceOptions voice, string prefix, string? emotion, string? pitch, float? speed, float? pitchShift, float? emotionStrength, ulong seed)
    {
        voice = voice with { Emotion = emotion ?? voice.Emotion, Pitch = pitch ?? voice.Pitch, Seed = seed };
        Check(voice, $"{prefix}{(emotion is null ? "pitch" : "emotion")}");
        voice = voice with { Dials = voice.Dials with { Speed = speed ?? 1 } };
        Check(voice, $"{prefix}speed");
        voice = voice with { Dials = voice.Dials with { PitchShift = pitchShift ?? 0 } };
        Check(voice, $"{prefix}pitch_shift");
        voice = voice with { Dials = voice.Dials with { EmotionStrength = emotionStrength ?? 1 } };
        Check(voice, $"{prefix}emotion_strength");
        return voice;
    }

    private static void Check(VoiceOptions voice, string param)
    {
        try
        {
            voice.Validate();
        }
        catch (EmovaException error)
        {
            throw ApiException.Invalid(param, error.Message);
        }
    }
}
