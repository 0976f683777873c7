using System.Text.RegularExpressions;
using Emova.Server.Http;

namespace Emova.Server.Audio;

/// <summary>
/// The part of OpenAI's free <c>instructions</c> that a model with fixed styles can follow: words for an emotion, a pitch and a
/// speed. Instructions without any such word are refused, not ignored.
/// </summary>
internal static partial class InstructionStyle
{
    private static readonly Dictionary<string, string[]> Emotions = new(StringComparer.Ordinal)
    {
        ["happy"] = ["happy", "happily", "cheerful", "cheerfully", "joyful", "joyfully", "excited", "excitedly", "delighted", "upbeat", "positive", "friendly", "warm"],
        ["sad"] = ["sad", "sadly", "sorrowful", "melancholic", "gloomy", "depressed", "comforting", "sympathetic"],
        ["angry"] = ["angry", "angrily", "furious", "furiously", "annoyed", "irritated", "mad"],
        ["surprised"] = ["surprised", "astonished", "amazed"],
        ["fearful"] = ["fearful", "afraid", "scared", "frightened", "anxious"],
        ["disgusted"] = ["disgusted", "disgust", "revolted"],
        ["neutral"] = ["neutral", "neutrally", "calm", "calmly", "plain", "plainly"],
    };

    private static readonly Dictionary<string, string[]> Pitches = new(StringComparer.Ordinal)
    {
        ["low"] = ["low", "lower", "deep", "deeper"],
        ["high"] = ["high", "higher", "bright"],
    };

    private static readonly Dictionary<string, string[]> Speeds = new(StringComparer.Ordinal)
    {
        ["slow"] = ["slow", "slowly", "slower"],
        ["fast"] = ["fast", "faster", "quick", "quickly"],
    };

    public static VoiceOptions Apply(VoiceOptions voice, string? instructions)
    {
        if (string.IsNullOrWhiteSpace(instructions))
            return voice;
        HashSet<string> words = [.. Word().Matches(instructions.ToLowerInvariant()).Select(match => match.Value)];
        string? emotion = Find(Emotions, words), pitch = Find(Pitches, words), speed = Find(Speeds, words);
        if (emotion is null && pitch is null && speed is null)
        {
            throw ApiException.Unsupported(
                "instructions", $"'instructions' names no style this model has. Understood are words for emotions ({string.Join(", ", Emotions.Keys)}), pitch (low, high) and speed (slow, fast).");
        }

        return voice with { Emotion = emotion ?? voice.Emotion, Pitch = pitch ?? voice.Pitch, Speed = speed ?? voice.Speed };
    }

    private static string? Find(Dictionary<string, string[]> styles, HashSet<string> words) =>
        styles.Where(style => style.Value.Any(words.Contains)).Select(style => style.Key).FirstOrDefault();

    [GeneratedRegex("[a-z]+")]
    private static partial Regex Word();
}
