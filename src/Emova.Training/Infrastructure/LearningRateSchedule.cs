namespace Emova.Training.Infrastructure;

/// <summary>Linear warm-up to the peak, then a cosine down to <c>Floor</c> times the peak at the last step.</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="TotalSteps">Number of steps of the whole run.</param>
/// <param name="WarmupSteps">Steps until the peak is reached.</param>
/// <param name="Floor">Final rate relative to the peak.</param>
public sealed record LearningRateSchedule(double Peak, long TotalSteps, long WarmupSteps, double Floor = 0.01)
{
    /// <summary>Rate of step 0, 1, …, TotalSteps - 1.</summary>
    public double At(long step)
    {
        if (step < WarmupSteps) return Peak * (step + 1) / WarmupSteps;
        double progress = Math.Min(1.0, (step - WarmupSteps) / (double)Math.Max(1, TotalSteps - 1 - WarmupSteps));
        return Peak * (Floor + (1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }
}
