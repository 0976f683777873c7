namespace Emova.Training.Stages.Language;

/// <summary>Units as the language model sees them: each run of equal units is one.</summary>
public static class SpeechUnitRuns
{
    /// <summary>Removes repetitions of the unit before.</summary>
    public static int[] Collapse(ReadOnlySpan<int> units)
    {
        List<int> kept = new(units.Length);
        foreach (int unit in units)
        {
            if (kept.Count == 0 || kept[^1] != unit)
            {
                kept.Add(unit);
            }
        }

        return [.. kept];
    }
}
