using Emova.Media;

namespace Emova.Models.Speech;

/// <summary>Values for <see cref="SourceFilterVocoder.Render"/> in the place of predictions and of drawn noise.</summary>
public sealed record VocoderGivens
{
    /// <summary>Frames (10 ms) of each unit, at least 1; predicted when null.</summary>
    public int[]? FramesPerUnit { get; init; }

    /// <summary>Pitch and energy of each frame; predicted when null.</summary>
    public PitchTrack? Prosody { get; init; }

    /// <summary>Standard normal values, 160 per frame; drawn when null.</summary>
    public float[]? Noise { get; init; }

    internal void Validate(ReadOnlySpan<int> units)
    {
        for (int i = 1; i < units.Length; i++)
        {
            if (units[i] == units[i - 1]) throw new ArgumentException($"unit {i} repeats the one before; merge runs first", nameof(units));
        }

        if (FramesPerUnit is null)
        {
            if (Prosody is not null || Noise is not null) throw new ArgumentException("prosody and noise can only be given together with durations");
            return;
        }

        if (FramesPerUnit.Length != units.Length || FramesPerUnit.Any(n => n < 1))
            throw new ArgumentException($"{FramesPerUnit.Length} durations for {units.Length} units, each at least 1 frame");
        int frames = FramesPerUnit.Sum();
        if (Prosody is not null && (Prosody.Frames < frames || Prosody.LogEnergy.Length < frames))
            throw new ArgumentException($"prosody of {Prosody.Frames} frames for {frames} frames");
        if (Noise is not null && Noise.Length < (long)frames * SourceFilterVocoder.Hop)
            throw new ArgumentException($"{Noise.Length} noise values for {frames} frames of {SourceFilterVocoder.Hop}");
    }
}
