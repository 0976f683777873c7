namespace Emova.Training.Modules.Speech.Vits;

/// <summary>Sizes of <see cref="VitsDiscriminator"/>. The defaults are the published model's: 46,747,132 values.</summary>
public sealed record VitsDiscriminatorConfig
{
    /// <summary>Samples per row of each period discriminator; mutually prime, so that no two see the same pattern.</summary>
    public int[] Periods { get; init; } = [2, 3, 5, 7, 11];

    /// <summary>Outputs of the scale discriminator's six convolutions; the last convolution maps to one channel.</summary>
    public int[] ScaleChannels { get; init; } = [16, 64, 256, 1024, 1024, 1024];

    /// <summary>Groups of the same convolutions.</summary>
    public int[] ScaleGroups { get; init; } = [1, 4, 16, 64, 256, 1];

    /// <summary>Outputs of a period discriminator's convolutions.</summary>
    public int[] PeriodChannels { get; init; } = [32, 128, 512, 1024, 1024];
}
