using Emova.Checkpoints;
using Emova.Models.Speech;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using Emova.Training.Modules.Speech;
using TorchSharp;
using static TorchSharp.torch;
using SourceFilterVocoder = Emova.Training.Modules.Speech.SourceFilterVocoder;

namespace Emova.Training.Voices;

/// <summary>The voice a model ships with, as training sees it: its weights in a twin, its 24 style vectors, and the encoder that hears units.</summary>
public sealed class ShippedVoice
{
    private const string Prefix = "speech_decoder.";
    private readonly string _weights;

    private ShippedVoice(string folder, System.Text.Json.JsonElement section, SpeechTokenizer speech, float[] styles)
    {
        (Section, Speech, _weights) = (section, speech, Path.Combine(folder, "model.safetensors"));
        Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        Dimensions = VocoderDimensions.Parse(section);
        Styles = tensor(styles, VoiceStyle.All.Count, Dimensions.StyleDim).DetachFromDisposeScope();
    }

    /// <summary>Name of the model's folder.</summary>
    public string Name { get; }

    /// <summary><c>speech_decoder_config</c> of the model.</summary>
    public System.Text.Json.JsonElement Section { get; }

    /// <summary>The parts that hear and speak, as the runtime has them.</summary>
    public SpeechTokenizer Speech { get; }

    public VocoderDimensions Dimensions { get; }

    /// <summary>The style vectors (24, S) in the order of <see cref="VoiceStyle.All"/>.</summary>
    public Tensor Styles { get; }

    /// <summary>Opens a model folder.</summary>
    /// <exception cref="EmovaException">It cannot hear and speak, its decoder is of another kind, or a style is missing.</exception>
    public static ShippedVoice Open(string folder)
    {
        using ModelFolder opened = ModelFolder.Open(folder);
        SpeechTokenizer speech = SpeechTokenizer.Load(opened);
        if (speech.Encoder is null || speech.Decoder is not Models.Speech.SourceFilterVocoder vocoder)
            throw new EmovaException($"{folder}: a model with a speech encoder and a source-filter vocoder is needed; a VITS decoder speaks like a recording without training (`emova speak --style-from`)");
        IReadOnlyDictionary<string, float[]> styles = opened.ReadStyles(vocoder.Config.StyleDim);
        float[] all = [.. VoiceStyle.All.SelectMany(style => styles.TryGetValue(style.Name, out float[]? vector) ? vector : throw new EmovaException($"{folder}: styles.safetensors has no style '{style.Name}'"))];
        return new ShippedVoice(folder, opened.Config.Section("speech_decoder_config").Json, speech, all);
    }

    /// <summary>The vocoder with the model's weights: a new copy at each call.</summary>
    public (SourceFilterVocoder Vocoder, ParameterStore Store) Copy(bool brainFloat)
    {
        ParameterStore store = new();
        SourceFilterVocoder vocoder = new(Dimensions, store.Root, brainFloat);
        store.Load(_weights, Prefix);
        return (vocoder, store);
    }
}
