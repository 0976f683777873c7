using Emova.Server.Engine;
using Emova.Server.Security;
using Emova.Text;
using ChatTool = Emova.Server.Wire.ChatTool;

namespace Emova.Server.Realtime;

/// <summary>
/// What a session asks of the model. The answers come back to <see cref="RealtimeSession.Tell"/> and <see cref="RealtimeSession.End"/>,
/// on the session's own thread.
/// </summary>
internal interface IRealtimeModel
{
    /// <summary>Begins a job; several may run at the same time.</summary>
    void Start(string job, EngineRequest request);

    /// <summary>Stops a job; nothing more is heard of it.</summary>
    void Stop(string job);

    /// <summary>The form of an answer that may call functions; null when this model cannot.</summary>
    /// <exception cref="EmovaException">The parameters of a function are described in a way that no grammar can be made of.</exception>
    ReplyGrammar? FindCallGrammar(IReadOnlyList<ChatTool> tools, bool allowText);

    /// <summary>What the caller may still use; empty without limits.</summary>
    IReadOnlyList<RateLimit> RateLimits => [];

    /// <summary>The voice options of a voice name, or null when there is no such voice.</summary>
    VoiceOptions? FindVoice(string name);
}

/// <summary>Tokens of a response by kind.</summary>
/// <param name="Text">Text tokens read.</param>
/// <param name="Audio">Speech units read.</param>
/// <param name="Image">Picture positions read.</param>
/// <param name="Cached">How many of those three did not have to be computed.</param>
/// <param name="OutputText">Text tokens written.</param>
/// <param name="OutputAudio">Speech units written.</param>
internal readonly record struct RealtimeUsage(int Text, int Audio, int Image, int Cached, int OutputText, int OutputAudio);
