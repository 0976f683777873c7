using System.Runtime;

namespace Emova.Training.Infrastructure;

/// <summary>
/// Keeps the garbage collector still for the duration of a step. TorchSharp 0.107 hands numbers to native code in objects
/// that nothing keeps alive during the call: a collection at that moment frees the number while it is read
/// ("Unknown scalar type", or a silently wrong value).
/// </summary>
internal readonly struct QuietHeap : IDisposable
{
    // More than a step allocates; memory is committed once and reused.
    private const long Budget = 192L << 20;

    /// <summary>Starts a quiet period; collections happen between periods.</summary>
    public static QuietHeap Enter()
    {
        if (GCSettings.LatencyMode != GCLatencyMode.NoGCRegion) GC.TryStartNoGCRegion(Budget);
        return default;
    }

    /// <summary>Runs tensor code that can be repeated in a quiet period, and repeats it when the fault happens all the same.</summary>
    public static T Run<T>(Func<T> compute)
    {
        for (int attempt = 1; ; attempt++)
        {
            using QuietHeap quiet = Enter();
            try
            {
                return compute();
            }
            catch (System.Runtime.InteropServices.ExternalException) when (attempt < 3)
            {
                // The next attempt makes new objects.
            }
        }
    }

    public void Dispose()
    {
        // A period that outgrew its budget has already ended by itself.
        if (GCSettings.LatencyMode == GCLatencyMode.NoGCRegion) GC.EndNoGCRegion();
    }
}
