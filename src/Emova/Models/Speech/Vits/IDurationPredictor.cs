namespace Emova.Models.Speech.Vits;

/// <summary>Predicts how long units last.</summary>
internal interface IDurationPredictor
{
    /// <summary>Natural logarithm of the frames of each unit.</summary>
    /// <param name="hidden">States of the unit encoder (T, H).</param>
    /// <param name="style">Style vector; empty for none.</param>
    /// <param name="noise">Noise (T, 2), already scaled; a deterministic predictor does not look at it.</param>
    float[] LogDurations(ReadOnlySpan<float> hidden, ReadOnlySpan<float> style, ReadOnlySpan<float> noise);
}
