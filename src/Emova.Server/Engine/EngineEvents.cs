using System.Runtime.CompilerServices;
using Emova.Server.Security;

namespace Emova.Server.Engine;

/// <summary>What endpoints do with the engine's events.</summary>
internal static class EngineEvents
{
    /// <summary>Passes events on and counts the audio among them as the caller's.</summary>
    public static async IAsyncEnumerable<EngineEvent> ChargedTo(
        this IAsyncEnumerable<EngineEvent> events, Caller caller, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        double seconds = 0;
        try
        {
            await foreach (EngineEvent happening in events.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                if (happening is EngineEvent.Audio audio)
                    seconds += (double)audio.Samples.Length / audio.SampleRate;
                yield return happening;
            }
        }
        finally
        {
            caller.ChargeAudio(TimeSpan.FromSeconds(seconds));
        }
    }
}
