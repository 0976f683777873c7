namespace Emova.Server.Engine;

/// <summary>What the served model is and can do.</summary>
/// <param name="ModelName">Its name in the protocol.</param>
/// <param name="Created">When its weights were written.</param>
/// <param name="Fingerprint">Changes with the weights and with the program: same fingerprint, seed and request give the same answer.</param>
/// <param name="CanHear">Whether it takes speech.</param>
/// <param name="CanSpeak">Whether it answers aloud.</param>
/// <param name="CanSee">Whether it takes pictures.</param>
/// <param name="Voices">Names of its styles, <c>female-happy-high</c>, and of its speakers, <c>anna</c> and <c>anna-happy-high</c>.</param>
/// <param name="OutputSampleRate">Samples per second of its speech; 0 when it cannot speak.</param>
/// <param name="ContextLength">Positions a conversation may have.</param>
/// <param name="SystemText">The system text the model is used to.</param>
public sealed record EngineInfo(
    string ModelName, DateTimeOffset Created, string Fingerprint, bool CanHear, bool CanSpeak, bool CanSee,
    IReadOnlyList<string> Voices, int OutputSampleRate, int ContextLength, string SystemText = "")
{
    /// <summary>Speakers beside the model's own.</summary>
    public IReadOnlyList<Models.Speech.Voice> Speakers { get; init; } = [];
}

/// <summary>How busy the engine is.</summary>
/// <param name="Running">Replies being written.</param>
/// <param name="Waiting">Requests in the queue.</param>
public sealed record EngineLoad(int Running, int Waiting);

/// <summary>The engine takes no more work now: the queue is full or the server is shutting down (status 503).</summary>
public sealed class EngineBusyException(string message) : Exception(message);
