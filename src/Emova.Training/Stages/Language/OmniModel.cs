using Emova.Checkpoints;
using Emova.Training.Infrastructure;
using Emova.Training.Modules;
using Emova.Training.Modules.Language;
using Emova.Training.Modules.Vision;
using Emova.Training.Stages.Vision;
using static TorchSharp.torch;

namespace Emova.Training.Stages.Language;

/// <summary>Vision encoder, projector and language model with the names they have in the model's checkpoint.</summary>
public sealed class OmniModel : IDisposable
{
    private const string ProjectorPrefix = "model.mm_projector.";
    private const string LanguagePrefix = "model.";
    private const string EmbeddingName = "model.embed_tokens.weight";
    private const string HeadName = "lm_head.weight";
    private const string NewlineName = "model.image_newline";

    public OmniModel(TinyModelConfig config, TwinOptions options)
    {
        // Only the language model needs dropout: the encoder is frozen or barely moves, the projector is a thin layer.
        TwinOptions plain = options with { Dropout = 0 };
        Vision = new Qwen2VisionTransformer(config.Vision, plain);
        Projector = new MlpProjector(config.Vision.HiddenSize, config.Text.HiddenSize, config.ProjectorDepth, plain);
        Language = new Qwen2ForCausalLM(config.Text, options);
        Store.AddModule(Vision, name => VisionStage.WeightPrefix + name);
        Store.AddModule(Projector, name => ProjectorPrefix + name);
        Store.AddModule(Language, name => name.StartsWith(LanguagePrefix, StringComparison.Ordinal) || name == HeadName
            ? name
            : throw new InvalidOperationException($"language model parameter '{name}' is not below '{LanguagePrefix}'"));
    }

    public Qwen2VisionTransformer Vision { get; }

    public MlpProjector Projector { get; }

    public Qwen2ForCausalLM Language { get; }

    /// <summary>All parameters.</summary>
    public ParameterStore Store { get; } = new();

    /// <summary>
    /// Copies the tensors of a checkpoint whose names begin with one of the prefixes. Embedding rows of tokens that were added since keep
    /// their initial values.
    /// </summary>
    /// <exception cref="EmovaException">A tensor below the prefixes is missing or has another shape.</exception>
    public void Load(string path, params ReadOnlySpan<string> prefixes) => Load(path, int.MaxValue, prefixes);

    private void Load(string path, int tokens, ReadOnlySpan<string> prefixes)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach ((string name, Tensor parameter) in Store.Parameters)
        {
            if (!StartsWithAny(name, prefixes))
            {
                continue;
            }

            if (!file.Tensors.TryGetValue(name, out TensorInfo? info))
            {
                throw new EmovaException($"{path}: tensor '{name}' is missing");
            }

            long[] shape = parameter.shape;
            long rows = name is EmbeddingName or HeadName && info.Shape.Count == 2 && info.Shape[1] == shape[1] ? Math.Min(info.Shape[0], tokens) : long.MaxValue;
            bool grown = rows <= shape[0];
            if (!grown && !info.Shape.SequenceEqual(shape))
            {
                throw new EmovaException($"{path}: tensor '{name}' has shape {info.ShapeText}, expected [{string.Join(", ", shape)}]");
            }

            if (rows < info.Shape[0])
            {
                float[] all = new float[info.ElementCount];
                file.ReadFloat32(name, all);
                all.AsSpan(0, checked((int)(rows * shape[1]))).CopyTo(ParameterStore.Values(parameter));
                continue;
            }

            file.ReadFloat32(name, ParameterStore.Values(parameter)[..checked((int)info.ElementCount)]);
        }
    }

    /// <summary>Loads the encoder.</summary>
    public void LoadVision(string path) => Load(path, VisionStage.WeightPrefix);

    /// <summary>Loads the projector.</summary>
    public void LoadProjector(string path) => Load(path, ProjectorPrefix);

    /// <summary>Loads the language model, of the embeddings only those of the first <paramref name="tokens"/>.</summary>
    public void LoadLanguage(string path, int tokens = int.MaxValue) => Load(path, tokens, [EmbeddingName, HeadName, "model.layers.", "model.norm."]);

    /// <summary>
    /// Freezes and unfreezes. Frozen parameters get no gradient, which the optimizer takes as "leave alone".
    /// </summary>
    /// <param name="language">whether the language model learns</param>
    /// <param name="projector">whether the projector learns</param>
    /// <param name="visionFromLayer">blocks from this one on and the merger learn; null = the whole encoder is frozen</param>
    public void SetTrainable(bool language, bool projector, int? visionFromLayer)
    {
        foreach ((string name, Tensor parameter) in Store.Parameters)
        {
            parameter.requires_grad = IsTrainable(name, language, projector, visionFromLayer);
        }
    }

    /// <summary>Whether a tensor of that name learns, see <see cref="SetTrainable"/>.</summary>
    public static bool IsTrainable(string name, bool language, bool projector, int? visionFromLayer) =>
        name.StartsWith(VisionStage.WeightPrefix, StringComparison.Ordinal)
            ? visionFromLayer is { } first && IsVisionTrainable(name[VisionStage.WeightPrefix.Length..], first)
            : name.StartsWith(ProjectorPrefix, StringComparison.Ordinal) || name == NewlineName ? projector : language;

    /// <inheritdoc/>
    public void Dispose()
    {
        Vision.Dispose();
        Projector.Dispose();
        Language.Dispose();
    }

    /// <summary>Blocks from the first one on and what merges patches; from block 0 on the whole encoder.</summary>
    private static bool IsVisionTrainable(string name, int firstLayer) =>
        firstLayer == 0
        || name.StartsWith("merger.", StringComparison.Ordinal)
        || (name.Split('.') is ["blocks", string block, ..] && Number(block) >= firstLayer)
        || (name.Split('.') is ["encoder", "layers", string layer, ..] && Number(layer) >= firstLayer);

    private static int Number(string text) => int.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    private static bool StartsWithAny(string name, ReadOnlySpan<string> prefixes)
    {
        foreach (string prefix in prefixes)
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
