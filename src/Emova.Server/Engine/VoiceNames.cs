using Emova.Models.Speech;

namespace Emova.Server.Engine;

/// <summary>The voices a caller may name.</summary>
internal static class VoiceNames
{
    // OpenAI's voices, which stock clients ask for by default, by how they sound.
    private static readonly Dictionary<string, string> Known = new(StringComparer.Ordinal)
    {
        ["alloy"] = "female", ["coral"] = "female", ["fable"] = "female", ["marin"] = "female", ["nova"] = "female", ["sage"] = "female", ["shimmer"] = "female",
        ["ash"] = "male", ["ballad"] = "male", ["cedar"] = "male", ["echo"] = "male", ["onyx"] = "male", ["verse"] = "male",
    };

    /// <summary>
    /// How a voice sounds: <c>female</c> or <c>male</c> (or one of OpenAI's names) leaves emotion and pitch to the model, a style
    /// <c>female-happy-high</c> keeps to it. An added speaker is asked for in the same two ways: <c>anna</c>, <c>anna-happy-high</c>.
    /// </summary>
    /// <returns>Null when there is no such voice.</returns>
    public static VoiceOptions? Find(string name, IReadOnlyList<Voice>? speakers = null)
    {
        if (VoiceOptions.FindSpeaker(name, speakers ?? []) is { } speaker)
            return speaker;
        string voice = Known.GetValueOrDefault(name, name);
        if (SpeechStyle.Genders.Contains(voice))
            return new VoiceOptions { Gender = voice };
        try
        {
            return VoiceOptions.Fixed(SpeechStyle.Parse(voice));
        }
        catch (EmovaException)
        {
            return null;
        }
    }
}
