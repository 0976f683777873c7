using Emova.Checkpoints;
using Emova.Training.Data;
using Emova.Training.Infrastructure;
using TorchSharp;
using static TorchSharp.torch;

namespace Emova.Training.Modules.Speech;

/// <summary>The vocoder with its 24 style vectors, each the sum of a gender, an emotion, a pitch and a joint part.</summary>
public sealed class SpeechDecoderModel
{
    /// <summary>Prefix of the style parts, which are exported as summed vectors in a file of their own.</summary>
    public const string StylePrefix = "style";

    private readonly Tensor _gender;
    private readonly Tensor _emotion;
    private readonly Tensor _pitch;
    private readonly Tensor _joint;

    public SpeechDecoderModel(VocoderDimensions dimensions, bool brainFloat = false)
    {
        Vocoder = new SourceFilterVocoder(dimensions, Store.Root, brainFloat);
        ParameterScope scope = Store.Root.Push(StylePrefix);
        _gender = scope.Normal("gender", 0.5, VoiceStyle.Genders.Count, dimensions.StyleDim);
        _emotion = scope.Normal("emotion", 0.5, VoiceStyle.Emotions.Count, dimensions.StyleDim);
        _pitch = scope.Normal("pitch", 0.5, VoiceStyle.Pitches.Count, dimensions.StyleDim);
        _joint = scope.Normal("joint", 0.1, VoiceStyle.All.Count, dimensions.StyleDim);
    }

    public ParameterStore Store { get; } = new();

    public SourceFilterVocoder Vocoder { get; }

    /// <summary>The model of a training run.</summary>
    public static SpeechDecoderModel Load(string modelConfig, string runs, string stage)
    {
        SpeechDecoderModel model = new(VocoderDimensions.Parse(ModelConfig.Section(modelConfig, "speech_decoder_config")));
        model.Store.Load(RunFolder.WeightsOf(runs, stage));
        return model;
    }

    /// <summary>Style vectors (B, S) of indices into <see cref="VoiceStyle.All"/>.</summary>
    public Tensor Styles(IReadOnlyList<int> styles)
    {
        Tensor Row(Tensor table, Func<int, int> part) => table.index_select(0, tensor(styles.Select(s => (long)part(s)).ToArray()));
        int pitches = VoiceStyle.Pitches.Count, perGender = pitches * VoiceStyle.Emotions.Count;
        return Row(_gender, s => s / perGender) + Row(_emotion, s => s % perGender / pitches) + Row(_pitch, s => s % pitches) + Row(_joint, s => s);
    }

    /// <summary>The 24 vectors under their style names.</summary>
    public IEnumerable<TensorData> ExportStyles()
    {
        using IDisposable inference = no_grad();
        using Tensor all = Styles([.. Enumerable.Range(0, VoiceStyle.All.Count)]);
        List<TensorData> result = [];
        for (int i = 0; i < VoiceStyle.All.Count; i++)
            result.Add(TensorData.F32(VoiceStyle.All[i].Name, [all.shape[1]], all[i].contiguous().data<float>().ToArray()));
        return result;
    }

    /// <summary>The vocoder's tensors without the style parts.</summary>
    public IEnumerable<TensorData> ExportVocoder(DType type, string prefix) =>
        Store.Export(type, prefix).Where(tensor => !tensor.Name.StartsWith($"{prefix}{StylePrefix}.", StringComparison.Ordinal));
}
