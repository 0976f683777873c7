namespace Emova.Server.Engine;

/// <summary>The one owner of the model. Everything that needs the model asks it here, from any thread.</summary>
public interface IInferenceEngine
{
    /// <summary>What the model is and can do.</summary>
    EngineInfo Info { get; }

    /// <summary>How busy the engine is.</summary>
    EngineLoad Load { get; }

    /// <summary>Answers, transcribes or speaks. The request waits for its turn in a bounded queue.</summary>
    /// <param name="request">What to do.</param>
    /// <param name="cancellationToken">Stops the work within one step of the model; so does leaving the enumeration.</param>
    /// <returns>What becomes known, in order; the last one is <see cref="EngineEvent.Finished"/>.</returns>
    /// <exception cref="EngineBusyException">The queue is full, or the server is shutting down; thrown by the first step.</exception>
    /// <exception cref="EmovaException">The request cannot be used: too long, an unusable recording or picture, an unknown style.</exception>
    IAsyncEnumerable<EngineEvent> RunAsync(EngineRequest request, CancellationToken cancellationToken = default);

    /// <summary>Units to speech without the language model.</summary>
    IAsyncEnumerable<EngineEvent> VoiceAsync(IReadOnlyList<int> units, VoiceOptions voice, CancellationToken cancellationToken = default);
}
