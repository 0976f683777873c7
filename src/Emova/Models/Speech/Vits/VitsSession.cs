namespace Emova.Models.Speech.Vits;

/// <summary>
/// Speech from units that arrive over time. The unit encoder attends over the whole utterance, so nothing is determined before
/// the last unit; then samples come out piece by piece.
/// </summary>
internal sealed class VitsSession(VitsDecoder decoder, VitsOptions options) : ISpeechSession
{
    private readonly List<int> merged = [];
    private VitsPlan? plan;
    private bool finished;

    /// <inheritdoc/>
    public IReadOnlyList<int> FramesPerUnit => plan?.FramesPerUnit ?? [];

    /// <inheritdoc/>
    public int SamplesPerFrame => decoder.Config.SamplesPerFrame;

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
        return Pieces();
    }

    private IEnumerable<float[]> Pieces()
    {
        if (merged.Count == 0) yield break;
        plan = decoder.Plan(merged.ToArray(), options);
        foreach (float[] piece in decoder.Stream(plan, options)) yield return piece;
    }
}
