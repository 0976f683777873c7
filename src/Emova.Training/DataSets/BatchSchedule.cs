namespace Emova.Training.DataSets;

/// <summary>Whose turn it is when batches come from two sources: a fixed share of them from the data sets, spread evenly, the others from the corpus.</summary>
/// <param name="share">part of the batches that comes from the data sets (0 to 1)</param>
public readonly struct BatchSchedule(double share)
{
    /// <summary>Whether a batch comes from the data sets, and which of that source's batches it is.</summary>
    public (bool FromDataSets, long Number) At(long batch)
    {
        long before = (long)Math.Floor(batch * share), after = (long)Math.Floor((batch + 1) * share);
        return after > before ? (true, before) : (false, batch - before);
    }
}
