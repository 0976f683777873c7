using Emova.Server.Engine;
using Emova.Server.Wire;

namespace Emova.Server.Chat;

/// <summary>An engine's result in the terms of the chat protocol.</summary>
internal static class ChatUsageOf
{
    public static ChatUsage Result(EngineResult result)
    {
        PromptUsage prompt = result.Prompt;
        int written = result.TextTokens + result.AudioTokens;
        return new ChatUsage(
            prompt.Total, written, prompt.Total + written, new ChatPromptDetails(prompt.Audio, prompt.Text, prompt.Image, prompt.Cached),
            new ChatCompletionDetails(result.AudioTokens, result.TextTokens, 0, 0, 0));
    }

    public static string Reason(EngineResult result, int calls) => result.End == EndReason.Length ? "length" : calls > 0 ? "tool_calls" : "stop";

    /// <summary>What a spoken turn tells beyond OpenAI's fields; null for a typed one without speech.</summary>
    public static SpokenTurn? Turn(EngineResult result) => result.Heard is null && result.Style is null
        ? null : new SpokenTurn(result.Heard, result.UserEmotion, result.UserPitch, result.Emotion, result.Pitch, result.Style);
}
