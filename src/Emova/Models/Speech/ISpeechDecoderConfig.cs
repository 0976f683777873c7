using Emova.Checkpoints;
using Emova.Models.Speech.Vits;

namespace Emova.Models.Speech;

/// <summary>Dimensions of a speech decoder, whichever kind it is: the section <c>speech_decoder_config</c>.</summary>
public interface ISpeechDecoderConfig
{
    /// <summary><c>type</c> of a <see cref="SourceFilterVocoder"/>; the default.</summary>
    internal const string SourceFilter = "SourceFilterVocoder";

    /// <summary><c>type</c> of a <see cref="VitsDecoder"/>.</summary>
    internal const string Vits = "SynthesizerTrn";

    /// <summary>Length of a style vector.</summary>
    int StyleDim { get; }

    /// <summary>Reads the weights; the caller reports differences with <see cref="WeightLoader.Finish"/>.</summary>
    ISpeechDecoder Load(WeightLoader weights);

    /// <summary>Reads a section of either kind.</summary>
    /// <exception cref="EmovaException">The kind is unknown, or a value is missing or out of range.</exception>
    static ISpeechDecoderConfig Read(ConfigSection section) =>
        section.Text("type", SourceFilter, SourceFilter, Vits) == Vits ? VitsConfig.Read(section) : VocoderConfig.Read(section);
}
