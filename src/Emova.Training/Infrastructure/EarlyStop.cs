using System.Globalization;

namespace Emova.Training.Infrastructure;

/// <summary>Watches one value of the evaluations and says when it has stopped getting better.</summary>
/// <param name="settings">which value, and for how long to wait</param>
/// <param name="state">what was seen before a run was interrupted</param>
internal sealed class EarlyStop(EarlyStopSettings settings, RunFolder.State state)
{
    /// <summary>Best value so far.</summary>
    public double? Best { get; private set; } = state.Best;

    /// <summary>Evaluations since the best one.</summary>
    public int Worse { get; private set; } = state.Worse;

    /// <summary>Whether the run ends here.</summary>
    public bool IsOver => settings.Measure is not null && Worse >= settings.Patience;

    /// <summary>Takes in an evaluation; true when it is the best one so far.</summary>
    /// <exception cref="EmovaException">There is no such value.</exception>
    public bool Take(IReadOnlyList<KeyValuePair<string, double>> measured)
    {
        if (settings.Measure is not { } name) return false;
        double[] found = [.. measured.Where(m => m.Key == name).Select(m => m.Value)];
        if (found.Length == 0)
            throw new EmovaException($"early_stop.measure {name}: no such value; this stage measures {string.Join(", ", measured.Select(m => m.Key))}");
        double gain = settings.Maximize ? found[0] - Best ?? 0 : Best - found[0] ?? 0;
        if (double.IsFinite(found[0]) && (Best is null || gain > settings.MinimumGain))
        {
            (Best, Worse) = (found[0], 0);
            return true;
        }
        Worse++;
        return false;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{settings.Measure} was not better than {Best:G4} in {settings.Patience} evaluations");
}
