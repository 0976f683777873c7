using System.Runtime.CompilerServices;
using Emova.Server.Security;

namespace Emova.Server.Engine;

/// <summary>The engine as one caller may use it: audio in and out counts as that caller's. For live sessions, whose requests come without HTTP's checks.</summary>
internal sealed class MeteredEngine(IInferenceEngine engine, Caller caller) : IInferenceEngine
{
    public EngineInfo Info => engine.Info;

    public EngineLoad Load => engine.Load;

    public async IAsyncEnumerable<EngineEvent> RunAsync(EngineRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (request.Task == EngineTask.Answer)
            caller.TakeAnswer();
        if (caller.TryTakeAudio(request.Messages[^1].Speech?.Duration ?? TimeSpan.Zero) is { Ticks: > 0 } wait)
            throw new RateLimitException($"Rate limit reached: this minute's seconds of audio are used up; try again in {Math.Ceiling(wait.TotalSeconds)} s.");
        await foreach (EngineEvent happening in engine.RunAsync(request, cancellationToken).ChargedTo(caller, cancellationToken).ConfigureAwait(false))
            yield return happening;
    }

    public IAsyncEnumerable<EngineEvent> VoiceAsync(IReadOnlyList<int> units, VoiceOptions voice, CancellationToken cancellationToken = default) =>
        engine.VoiceAsync(units, voice, cancellationToken).ChargedTo(caller, cancellationToken);
}
