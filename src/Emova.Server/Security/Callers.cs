namespace Emova.Server.Security;

/// <summary>The callers seen lately. Those gone for long make room: addresses are free to make up.</summary>
internal sealed class Callers(ServerOptions options, TimeProvider time)
{
    private const int MaxCallers = 10_000;
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Caller> _callers = new(StringComparer.Ordinal);

    public Caller Get(string name)
    {
        lock (_lock)
        {
            if (_callers.TryGetValue(name, out Caller? known))
                return known;
            if (_callers.Count >= MaxCallers)
            {
                foreach (Caller gone in _callers.Values.Where(caller => caller.Running == 0 && time.GetElapsedTime(caller.LastSeen) > Idle).ToArray())
                    _callers.Remove(gone.Name);
            }

            // Still full: the newcomers share one budget.
            string key = _callers.Count >= MaxCallers ? "others" : name;
            if (!_callers.TryGetValue(key, out known))
                _callers[key] = known = new Caller(key, options.Limits, time);
            return known;
        }
    }
}
