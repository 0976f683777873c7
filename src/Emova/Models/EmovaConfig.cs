using Emova.Checkpoints;
using Emova.Models.Language;
using Emova.Models.Speech;
using Emova.Models.Vision;

namespace Emova.Models;

/// <summary>Dimensions of all parts of an <see cref="EmovaModel"/>, from <c>config.json</c>.</summary>
public sealed record EmovaConfig
{
    /// <summary>The language model.</summary>
    public required LanguageConfig Language { get; init; }

    /// <summary>The vision encoder and its projector; null for a model without sight.</summary>
    public VisionConfig? Vision { get; init; }

    /// <summary>Key of the prompt template: <c>conversation_template</c>, or what the language model's kind was trained with.</summary>
    public required string ConversationTemplate { get; init; }

    /// <summary>Speech to units; null when the folder has no speech encoder.</summary>
    public SpiralConfig? SpeechEncoder { get; init; }

    /// <summary>Units to speech; null when the folder has no speech decoder.</summary>
    public ISpeechDecoderConfig? SpeechDecoder { get; init; }

    /// <summary>
    /// Reads a configuration with one section per part (<c>text_config</c>, <c>vision_config</c>, ...), or of the origin format,
    /// where the language model's keys are at the root and the other sections are <c>mm_vision_tower</c> and <c>mm_projector</c>.
    /// </summary>
    /// <exception cref="EmovaException">A value is missing, out of range or not supported.</exception>
    public static EmovaConfig Read(ConfigSection config)
    {
        ConfigSection? projector = Find(config, "mm_projector_config", "mm_projector");
        LanguageConfig language = LanguageConfig.Read(Find(config, "text_config") ?? config, config);
        return new EmovaConfig
        {
            Language = language,
            ConversationTemplate = config.Text("conversation_template", language.DefaultTemplate),
            Vision = Find(config, "vision_config", "mm_vision_tower") is { } vision ? VisionConfig.Read(config, vision, projector) : null,
            SpeechEncoder = Find(config, "speech_encoder_config") is { } encoder ? SpiralConfig.Read(encoder) : null,
            SpeechDecoder = Find(config, "speech_decoder_config") is { } decoder ? ISpeechDecoderConfig.Read(decoder) : null,
        };
    }

    private static ConfigSection? Find(ConfigSection config, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (config.Has(name))
                return config.Section(name);
        }

        return null;
    }
}
