using System.Diagnostics;

namespace Emova.Training.Stages;

/// <summary>
/// Prepares the data of the next steps on background threads. Data is a function of the step number alone, so prefetching changes
/// neither results nor resuming.
/// </summary>
/// <typeparam name="T">data of a step</typeparam>
public sealed class Prefetcher<T>
{
    private readonly Func<long, (int Lane, Func<T> Make)> _plan;
    private readonly int _ahead;
    private readonly long _lastStep;
    private readonly Dictionary<long, Task<T>> _pending = [];
    private readonly Dictionary<int, Task> _lanes = [];

    /// <param name="make">makes the data of a step; called on one background thread at a time, in order</param>
    /// <param name="ahead">number of steps prepared in advance</param>
    /// <param name="lastStep">steps from here on are not prepared</param>
    public Prefetcher(Func<long, T> make, int ahead, long lastStep)
        : this(step => (0, () => make(step)), ahead, lastStep)
    {
    }

    /// <param name="plan">decides what makes a step, called in order on the thread of <see cref="Get"/>; steps of a lane are made one after the other, lanes beside each other</param>
    /// <param name="ahead">number of steps prepared in advance</param>
    /// <param name="lastStep">steps from here on are not prepared</param>
    public Prefetcher(Func<long, (int Lane, Func<T> Make)> plan, int ahead, long lastStep) => (_plan, _ahead, _lastStep) = (plan, ahead, lastStep);

    /// <summary>How long <see cref="Get"/> has waited for data in all, the first step aside.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>The data of a step, waiting for it if need be.</summary>
    public T Get(long step)
    {
        bool first = _pending.Count == 0;
        for (long s = step; s <= step + _ahead && s < Math.Max(_lastStep, step + 1); s++)
        {
            if (!_pending.ContainsKey(s))
            {
                (int lane, Func<T> make) = _plan(s);
                Task<T> task = _lanes.GetValueOrDefault(lane, Task.CompletedTask).ContinueWith(_ => make(), TaskScheduler.Default);
                _pending[s] = task;
                _lanes[lane] = task;
            }
        }

        long since = Stopwatch.GetTimestamp();
        T result = _pending[step].GetAwaiter().GetResult();
        Waited += first ? TimeSpan.Zero : Stopwatch.GetElapsedTime(since);
        foreach (long old in _pending.Keys.Where(k => k <= step).ToArray())
        {
            _pending.Remove(old);
        }

        return result;
    }
}
