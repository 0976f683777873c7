using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Language;
using Emova.Training.Modules;
using Emova.Training.Stages;
using Emova.Training.Stages.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using RuntimeProjector = Emova.Models.Vision.MlpProjector;
using RuntimeVision = Emova.Models.Vision.Qwen2VisionTransformer;

namespace Emova.Training.Tests.Stages;

/// <summary>The training model and the runtime give the same numbers from the same file.</summary>
public sealed class OmniModelParityTests : IDisposable
{
    private const double Tolerance = 1e-4;

    private readonly string _file = Path.Combine(Path.GetTempPath(), $"emova-parity-{Guid.NewGuid():N}.safetensors");

    internal static readonly TinyModelConfig Config = new(
        new Emova.Models.Vision.Qwen2VisionConfig { Depth = 2, EmbedDim = 32, HiddenSize = 24, NumHeads = 2, MinPixels = 1, MaxPixels = 1 << 20 },
        new DenseDecoderConfig
        {
            VocabSize = 40, HiddenSize = 32, IntermediateSize = 48, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2,
            RopeTheta = 10000, MaxPositionEmbeddings = 64, TieWordEmbeddings = true,
        },
        2);

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void Pictures_and_text_give_the_same_logits_in_the_runtime()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        random.manual_seed(3);
        using OmniModel model = new(Config, TwinOptions.Exact);
        model.Store.Save(_file);

        using SafetensorsFile file = SafetensorsFile.Open(_file);
        WeightLoader weights = new([file]);
        LanguageModel language = LanguageModel.Load(Config.Text, weights);
        RuntimeVision vision = RuntimeVision.Load(Config.Vision, weights.Push("model").Push("vision_tower").Push("vision_tower"));
        RuntimeProjector projector = RuntimeProjector.Load(2, 24, 32, weights.Push("model").Push("mm_projector"));
        weights.Finish();

        byte[] pixels = new byte[3 * 84 * 56];
        new Random(4).NextBytes(pixels);
        ImagePatches patches = Config.Vision.CreateImageProcessor().Process(new RgbImage(84, 56, pixels));
        float[] expectedFeatures = projector.Forward(vision.Encode([patches]));
        Tensor features = model.Projector.Forward(
            model.Vision.Forward(tensor(patches.Rows).view(patches.Count, -1), [(patches.GridHeight, patches.GridWidth)]));
        AssertClose(expectedFeatures, features);

        int[] ids = [1, 5, 39, 0, 7, 7, 22];
        Tensor embeddings = cat([model.Language.Embed(tensor(ids.Select(i => (long)i).ToArray())), features]).unsqueeze(0);
        float[] logits = new float[embeddings.shape[1] * Config.Text.VocabSize];
        language.Forward(language.CreateCache(64), embeddings.data<float>().ToArray(), logits);
        AssertClose(logits, model.Language.Logits(model.Language.Hidden(embeddings)));
    }

    [Fact]
    public void A_grown_vocabulary_keeps_the_learned_rows()
    {
        using DisposeScope scope = NewDisposeScope();
        using OmniModel small = new(Config, TwinOptions.Exact);
        small.Store.Save(_file);
        using OmniModel grown = new(Config with { Text = Config.Text with { VocabSize = 50 } }, TwinOptions.Exact);
        grown.LoadLanguage(_file);
        float[] before = small.Store.Parameters.Single(p => p.Key == "model.embed_tokens.weight").Value.data<float>().ToArray();
        float[] after = grown.Store.Parameters.Single(p => p.Key == "model.embed_tokens.weight").Value.data<float>().ToArray();
        Assert.Equal(before, after[..before.Length]);
        Assert.Contains(after[before.Length..], value => value != 0);
        Assert.Throws<EmovaException>(() =>
        {
            using OmniModel other = new(Config with { Text = Config.Text with { NumHiddenLayers = 3 } }, TwinOptions.Exact);
            other.LoadLanguage(_file);
        });
    }

    [Fact]
    public void Freezing_follows_the_stage()
    {
        using OmniModel model = new(Config, TwinOptions.Exact);
        model.SetTrainable(language: false, projector: true, visionFromLayer: 1);
        string[] learning = [.. model.Store.Parameters.Where(p => p.Value.requires_grad).Select(p => p.Key)];
        Assert.Contains("model.mm_projector.0.weight", learning);
        Assert.Contains("model.vision_tower.vision_tower.blocks.1.mlp.fc1.weight", learning);
        Assert.Contains("model.vision_tower.vision_tower.merger.mlp.2.bias", learning);
        Assert.DoesNotContain(learning, name => name.Contains("blocks.0.", StringComparison.Ordinal) || name.Contains("layers.", StringComparison.Ordinal) || name.Contains("patch_embed", StringComparison.Ordinal));
    }

    private static void AssertClose(float[] expected, Tensor actual)
    {
        float[] values = actual.contiguous().data<float>().ToArray();
        Assert.Equal(expected.Length, values.Length);
        double difference = expected.Zip(values, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(difference <= Tolerance, $"largest difference {difference}");
    }
}
