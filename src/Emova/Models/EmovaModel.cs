using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Language;
using Emova.Models.Speech;
using Emova.Models.Vision;
using Emova.Text;

namespace Emova.Models;

/// <summary>
/// EMOVA (arXiv 2409.18042): a language model that sees through a vision encoder and projector, whose features take the place of
/// image placeholders, and that reads and writes speech as discrete units of its vocabulary.
/// Weights are read only: one model serves any number of conversations.
/// </summary>
public sealed class EmovaModel
{
    private EmovaModel(ConfigSection config, WeightLoader weights)
    {
        EmovaConfig dimensions = EmovaConfig.Read(config);
        Language = LanguageModel.Load(dimensions.Language, weights);
        if (dimensions.Vision is { } vision)
            Vision = ImageEncoder.Load(vision, dimensions.Language.HiddenSize, weights.Push("model"));
        if (dimensions.SpeechEncoder is { } encoder)
            SpeechEncoder = SpiralEncoder.Load(encoder, weights.Push("speech_encoder"));
        if (dimensions.SpeechDecoder is { } decoder)
            SpeechDecoder = decoder.Load(weights.Push("speech_decoder"));
    }

    /// <summary>The language model.</summary>
    public LanguageModel Language { get; }

    /// <summary>Pictures to vectors of the language model; null for a model without sight.</summary>
    public ImageEncoder? Vision { get; }

    /// <summary>Speech to units; null for a model that cannot hear.</summary>
    public SpiralEncoder? SpeechEncoder { get; }

    /// <summary>Units to speech; null for a model that cannot speak.</summary>
    public ISpeechDecoder? SpeechDecoder { get; }

    /// <summary>Loads all parts of a model.</summary>
    /// <param name="folder">The model folder; it may be closed afterwards.</param>
    /// <exception cref="EmovaException">The configuration or the weights are missing, damaged or do not fit each other.</exception>
    public static EmovaModel Load(ModelFolder folder)
    {
        IReadOnlyList<SafetensorsFile> files = folder.OpenWeights();
        WeightLoader weights = new(files, CheckpointNames.Detect(files.SelectMany(file => file.Tensors.Keys)));
        EmovaModel model = new(folder.Config, weights);
        weights.Finish();
        return model;
    }

    /// <summary>Lets a model ask for its tensors without reading any, whatever its size.</summary>
    /// <param name="config">The content of <c>config.json</c>.</param>
    /// <param name="listing">From <see cref="WeightLoader.ForListing"/>; knows afterwards what was asked for.</param>
    /// <exception cref="EmovaException">The configuration is damaged or not supported.</exception>
    public static void ListTensors(ConfigSection config, WeightLoader listing) => _ = new EmovaModel(config, listing);

    /// <summary>A model of random weights in the dimensions of a configuration, to measure speed and memory.</summary>
    /// <param name="config">The content of a config.json.</param>
    /// <param name="weights">Makes the weights, and tells afterwards what they take.</param>
    /// <exception cref="EmovaException">The configuration is not that of a model.</exception>
    public static EmovaModel CreateRandom(ConfigSection config, RandomWeights weights) => new(config, new WeightLoader(weights));

    /// <summary>Turns a picture into vectors that take the place of its placeholder.</summary>
    /// <returns>(tokens, Language.HiddenSize).</returns>
    /// <exception cref="EmovaException">The model has no vision encoder, or the picture is too narrow.</exception>
    public float[] EncodeImage(RgbImage image) => (Vision ?? throw new EmovaException("this model has no vision encoder")).Encode(image);

    /// <summary>Embeds a prompt whose <see cref="ImagePlaceholder.Id"/> entries are replaced by the features of the pictures, in order.</summary>
    /// <param name="ids">Token ids and placeholders.</param>
    /// <param name="imageFeatures">One result of <see cref="EncodeImage"/> per placeholder.</param>
    /// <returns>(T, Language.HiddenSize), ready for <see cref="LanguageModel"/>.</returns>
    /// <exception cref="EmovaException">The number of placeholders differs from the number of pictures.</exception>
    public float[] EmbedPrompt(ReadOnlySpan<int> ids, IReadOnlyList<float[]> imageFeatures)
    {
        int placeholders = ids.Count(ImagePlaceholder.Id), dim = Language.Config.HiddenSize;
        if (placeholders != imageFeatures.Count)
            throw new EmovaException($"the prompt has {placeholders} image placeholders, but {imageFeatures.Count} pictures were given");
        SplicedBatch plan = ImageSplice.Plan([ids.ToArray()], null, null, [.. imageFeatures.Select(f => f.Length / dim)]);
        float[] features = new float[imageFeatures.Sum(f => f.Length)];
        int position = 0;
        foreach (float[] image in imageFeatures)
        {
            image.CopyTo(features, position);
            position += image.Length;
        }

        return ImageSplice.Gather(plan, features, Language.Embed, dim);
    }
}
