using Emova.Training.Stages;

namespace Emova.Training.Voices;

/// <summary>Settings of <c>emova-train voice</c>, configs/training/voice.yaml.</summary>
public sealed record OwnVoiceSettings : VocoderSettings
{
    /// <summary>Seconds of usable recordings below which nothing is trained.</summary>
    public double MinimumSeconds { get; set; } = 60;

    /// <summary>Every n-th piece of the recordings is kept for evaluation, 2 or more.</summary>
    public int HoldOut { get; set; } = 12;

    /// <summary>Audio per step, padding included.</summary>
    public double SecondsPerStep { get; set; } = 12;

    /// <summary>Weight of the differences between styles that the voice takes over from the shipped one.</summary>
    public double StyleWeight { get; set; } = 1;

    /// <summary>Share of the steps, 0 to 1, whose styles are of the speaker's own register.</summary>
    public double OwnRegisterShare { get; set; } = 0.6;
}
