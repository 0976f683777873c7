namespace Emova.Server.Security;

/// <summary>An amount that may be used up and comes back evenly over a minute.</summary>
/// <param name="perMinute">The amount; 0 for no limit.</param>
/// <param name="time">The clock.</param>
internal sealed class Budget(int perMinute, TimeProvider time)
{
    private readonly Lock _lock = new();
    private double _left = perMinute;
    private long _seen = time.GetTimestamp();

    /// <summary>Takes an amount if that much, or the whole budget, is left.</summary>
    /// <returns>Zero, or how long to wait before it is.</returns>
    public TimeSpan TryTake(double amount)
    {
        if (perMinute == 0)
            return TimeSpan.Zero;
        lock (_lock)
        {
            Refill();
            double needed = Math.Min(amount, perMinute);
            if (_left < needed)
                return TimeSpan.FromMinutes((needed - _left) / perMinute);
            _left -= amount;
            return TimeSpan.Zero;
        }
    }

    /// <summary>What may be taken at once, and how long it is until everything may.</summary>
    public (double Left, TimeSpan Reset) Look()
    {
        lock (_lock)
        {
            Refill();
            return (Math.Max(0, _left), perMinute == 0 ? TimeSpan.Zero : TimeSpan.FromMinutes((perMinute - _left) / perMinute));
        }
    }

    /// <summary>Takes an amount that is used already; what is missing is owed.</summary>
    public void Charge(double amount)
    {
        lock (_lock)
        {
            Refill();
            _left -= amount;
        }
    }

    private void Refill()
    {
        long now = time.GetTimestamp();
        _left = Math.Min(perMinute, _left + perMinute * time.GetElapsedTime(_seen, now).TotalMinutes);
        _seen = now;
    }
}
