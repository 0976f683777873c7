namespace Emova.Training.Stages;

/// <summary>
/// Prepares the data of the next steps on a background thread. Data is a function of the step number alone, so prefetching changes
/// neither results nor resuming.
/// </summary>
/// <param name="make">makes the data of a step; called on one background thread at a time</param>
/// <param name="ahead">number of steps prepared in advance</param>
/// <param name="lastStep">steps from here on are not prepared</param>
public sealed class Prefetcher<T>(Func<long, T> make, int ahead, long lastStep)
{
    private readonly Dictionary<long, Task<T>> _pending = [];
    private Task _chain = Task.CompletedTask;

    /// <summary>The data of a step, waiting for it if need be.</summary>
    public T Get(long step)
    {
        for (long s = step; s <= step + ahead && s < Math.Max(lastStep, step + 1); s++)
        {
            if (!_pending.ContainsKey(s))
            {
                long wanted = s;
                Task<T> task = _chain.ContinueWith(_ => make(wanted), TaskScheduler.Default);
                _pending[s] = task;
                _chain = task;
            }
        }

        T result = _pending[step].GetAwaiter().GetResult();
        foreach (long old in _pending.Keys.Where(k => k <= step).ToArray())
        {
            _pending.Remove(old);
        }

        return result;
    }
}
