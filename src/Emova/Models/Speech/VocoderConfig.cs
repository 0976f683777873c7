using Emova.Checkpoints;

namespace Emova.Models.Speech;

/// <summary>Dimensions of a <see cref="SourceFilterVocoder"/>.</summary>
public sealed record VocoderConfig : ISpeechDecoderConfig
{
    /// <summary>Levels of the unit quantizer's components.</summary>
    public required IReadOnlyList<int> Levels { get; init; }

    /// <summary>Channels D of all blocks.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Inner width F of the blocks.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Length S of the style vector.</summary>
    public required int StyleDim { get; init; }

    /// <summary>Kernel of the depthwise convolutions; odd.</summary>
    public required int KernelSize { get; init; }

    /// <summary>Blocks on units.</summary>
    public required int EncoderLayers { get; init; }

    /// <summary>Blocks that predict run lengths.</summary>
    public required int DurationLayers { get; init; }

    /// <summary>Longest run length predicted, in units of 40 ms.</summary>
    public required int MaxRun { get; init; }

    /// <summary>Blocks on expanded frames.</summary>
    public required int FrameLayers { get; init; }

    /// <summary>Blocks that predict pitch, voicing and energy.</summary>
    public required int ProsodyLayers { get; init; }

    /// <summary>Blocks that predict the filters.</summary>
    public required int DecoderLayers { get; init; }

    /// <summary>Frames of a unit at normal speed.</summary>
    public required int FramesPerUnit { get; init; }

    /// <inheritdoc/>
    public ISpeechDecoder Load(WeightLoader weights) => SourceFilterVocoder.Load(this, weights);

    /// <summary>Reads the section <c>speech_decoder_config</c>.</summary>
    /// <exception cref="EmovaException">A value is missing, out of range or not supported.</exception>
    public static VocoderConfig Read(ConfigSection section)
    {
        section.Text("type", ISpeechDecoderConfig.SourceFilter, ISpeechDecoderConfig.SourceFilter);
        section.WholeNumber("sample_rate", SourceFilterSynthesis.SampleRate, SourceFilterSynthesis.SampleRate, SourceFilterSynthesis.SampleRate);
        section.WholeNumber("hop", SourceFilterSynthesis.Hop, SourceFilterSynthesis.Hop, SourceFilterSynthesis.Hop);
        section.WholeNumber("n_fft", SourceFilterSynthesis.FftLength, SourceFilterSynthesis.FftLength, SourceFilterSynthesis.FftLength);
        VocoderConfig config = new()
        {
            Levels = SpiralConfig.Numbers(section, "levels", 2, 64, maximumCount: 8),
            HiddenSize = section.WholeNumber("hidden_size", 1, 4096),
            IntermediateSize = section.WholeNumber("intermediate_size", 1, 1 << 14),
            StyleDim = section.WholeNumber("style_dim", 1, 4096),
            KernelSize = section.WholeNumber("kernel_size", 1, 63),
            EncoderLayers = section.WholeNumber("encoder_layers", 0, 64),
            DurationLayers = section.WholeNumber("duration_layers", 0, 64),
            MaxRun = section.WholeNumber("max_run", 1, 100),
            FrameLayers = section.WholeNumber("frame_layers", 0, 64),
            ProsodyLayers = section.WholeNumber("prosody_layers", 0, 64),
            DecoderLayers = section.WholeNumber("decoder_layers", 0, 64),
            FramesPerUnit = section.WholeNumber("frames_per_unit", 1, 16),
        };
        if (config.KernelSize % 2 == 0) throw new EmovaException($"speech decoder: kernel_size must be odd, is {config.KernelSize}");
        return config;
    }
}
