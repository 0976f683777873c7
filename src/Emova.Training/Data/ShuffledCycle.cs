namespace Emova.Training.Data;

/// <summary>Hands out every item once in random order before any comes again, so that all are used equally often.</summary>
public sealed class ShuffledCycle<T>(IReadOnlyList<T> items, DeterministicRandom random)
{
    private readonly List<T> _order = [.. items];
    private int _next = items.Count;

    public T Next()
    {
        if (_next == _order.Count)
        {
            random.Shuffle(_order);
            _next = 0;
        }
        return _order[_next++];
    }
}
