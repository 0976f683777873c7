namespace Emova.Models.Speech.Vits;

/// <summary>
/// Speech from units that arrive over time. The unit encoder attends over the whole utterance, so nothing is determined before
/// the last unit; then samples come out piece by piece.
/// </summary>
internal sealed class VitsSession(VitsDecoder decoder, VitsOptions options) : ISpeechSession
{
    private readonly List<int> merged = [];
    private bool finished;

    /// <inheritdoc/>
    public float[] Push(ReadOnlySpan<int> units)
    {
        if (finished) throw new InvalidOperationException("the session was ended");
        decoder.RequireUnits(units);
        foreach (int unit in units)
        {
            if (merged.Count == 0 || merged[^1] != unit) merged.Add(unit);
        }

        return [];
    }

    /// <inheritdoc/>
    public IEnumerable<float[]> Finish()
    {
        if (finished) return [];
        finished = true;
        return decoder.Stream([.. merged], options);
    }
}
