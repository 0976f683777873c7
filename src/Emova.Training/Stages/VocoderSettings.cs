using Emova.Training.Infrastructure;

namespace Emova.Training.Stages;

/// <summary>What every stage sets that trains a source-filter vocoder: the weights of its losses and the arithmetic.</summary>
public abstract record VocoderSettings : LoopSettings
{
    public double WeightDecay { get; set; } = 0.01;

    public double SpectrumWeight { get; set; } = 1;

    public double MelWeight { get; set; } = 1;

    public double PitchWeight { get; set; } = 1;

    public double VoicingWeight { get; set; } = 0.5;

    public double EnergyWeight { get; set; } = 0.5;

    public double DurationWeight { get; set; } = 0.3;

    /// <summary>Matrix products of the blocks in bfloat16.</summary>
    public bool BrainFloat { get; set; } = true;
}
