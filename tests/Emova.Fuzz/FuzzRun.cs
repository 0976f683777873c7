using System.Diagnostics;

namespace Emova.Fuzz;

/// <summary>What a run found.</summary>
/// <param name="Inputs">Inputs tried.</param>
/// <param name="Rejected">Inputs refused with an <see cref="EmovaException"/>.</param>
/// <param name="Defect">Null, or what went wrong and with which exception.</param>
/// <param name="Input">The input that shows the defect.</param>
public sealed record FuzzResult(long Inputs, long Rejected, string? Defect, byte[]? Input);

/// <summary>Feeds mutated inputs to a target until time or count is used up, or something other than a clean refusal happens.</summary>
public static class FuzzRun
{
    /// <summary>A parser that needs longer for 64 KiB can be used to block a server.</summary>
    public static readonly TimeSpan SlowestInput = TimeSpan.FromSeconds(5);

    /// <summary>A small file must not be able to ask for more memory than this, in bytes.</summary>
    public const long LargestAllocation = 1L << 30;

    public static FuzzResult Run<TTarget>(int seed, TimeSpan time, long maxInputs = long.MaxValue, Action<byte[]>? onHang = null)
        where TTarget : IFuzzTarget
    {
        var mutator = new Mutator(seed);
        IReadOnlyList<byte[]> seeds = TTarget.Seeds();
        byte[] current = [];
        long started = Stopwatch.GetTimestamp();
        using var watchdog = new Timer(_ =>
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref started)) <= 4 * SlowestInput) return;
            onHang?.Invoke(current);
        }, null, SlowestInput, SlowestInput);

        var watch = Stopwatch.StartNew();
        long inputs = 0, rejected = 0;
        while (inputs < maxInputs && watch.Elapsed < time)
        {
            // The seeds themselves come first and must be accepted.
            bool valid = inputs < seeds.Count;
            current = valid ? seeds[(int)inputs] : mutator.Next(seeds);
            inputs++;
            Volatile.Write(ref started, Stopwatch.GetTimestamp());
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                TTarget.Fuzz(current);
            }
            catch (EmovaException refusal)
            {
                rejected++;
                if (valid) return new FuzzResult(inputs, rejected, $"a valid file is refused: {refusal.Message}", current);
                if (refusal.Message.Contains('\n')) return new FuzzResult(inputs, rejected, $"message of several lines: {refusal.Message}", current);
            }
            catch (Exception defect)
            {
                return new FuzzResult(inputs, rejected, defect.ToString(), current);
            }

            if (Stopwatch.GetElapsedTime(started) > SlowestInput)
                return new FuzzResult(inputs, rejected, $"took {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s", current);
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            if (allocated > LargestAllocation)
                return new FuzzResult(inputs, rejected, $"allocated {allocated >> 20} MiB", current);
        }
        return new FuzzResult(inputs, rejected, null, null);
    }
}
