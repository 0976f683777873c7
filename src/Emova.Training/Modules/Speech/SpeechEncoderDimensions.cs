using System.Text.Json;

namespace Emova.Training.Modules.Speech;

/// <summary>Sizes of the speech encoder, as in <c>speech_encoder_config</c> of a model folder.</summary>
public sealed record SpeechEncoderDimensions
{
    /// <summary>Mel bands.</summary>
    public int Features { get; init; } = 80;

    /// <summary>Levels per quantized component.</summary>
    public int[] Levels { get; init; } = [8, 8, 8, 8];

    /// <summary>Width of the phone head.</summary>
    public int DecFilters { get; init; } = 128;

    /// <summary>Phones; the blank label comes after them.</summary>
    public int NLabels { get; init; }

    /// <summary>The two convolution-transformer blocks.</summary>
    public Block[] Blocks { get; init; } = [];

    /// <summary>Convolutions (kernel 5, the last one 1) followed by transformer layers of the last convolution's width.</summary>
    public sealed record Block
    {
        public int[] Filters { get; init; } = [];

        /// <summary>Kernel of the positional convolution, even.</summary>
        public int ConvPos { get; init; }

        public int ConvPosGroups { get; init; }

        public int Layers { get; init; }

        public int Ffn { get; init; }

        public int Heads { get; init; }
    }

    /// <summary>Reads the section (keys in snake_case).</summary>
    public static SpeechEncoderDimensions Parse(JsonElement section) =>
        section.Deserialize<SpeechEncoderDimensions>(ModelConfig.Options) ?? throw new EmovaException("speech_encoder_config is null");
}
