using System.Text.Json;

namespace Emova.Training.Modules.Speech;

/// <summary>Sizes of the vocoder, as in <c>speech_decoder_config</c> of a model folder.</summary>
public sealed record VocoderDimensions
{
    public int[] Levels { get; init; } = [8, 8, 8, 8];

    public int HiddenSize { get; init; } = 192;

    public int IntermediateSize { get; init; } = 512;

    public int StyleDim { get; init; } = 64;

    public int KernelSize { get; init; } = 7;

    public int EncoderLayers { get; init; } = 4;

    public int DurationLayers { get; init; } = 2;

    /// <summary>Longest run of equal units the duration model can predict.</summary>
    public int MaxRun { get; init; } = 12;

    public int FrameLayers { get; init; } = 2;

    public int ProsodyLayers { get; init; } = 2;

    public int DecoderLayers { get; init; } = 4;

    public int FramesPerUnit { get; init; } = 4;

    /// <summary>Samples per frame.</summary>
    public int Hop { get; init; } = 160;

    public int NFft { get; init; } = 512;

    /// <summary>Reads the section (keys in snake_case).</summary>
    public static VocoderDimensions Parse(JsonElement section) =>
        section.Deserialize<VocoderDimensions>(ModelConfig.Options) ?? throw new EmovaException("speech_decoder_config is null");
}
