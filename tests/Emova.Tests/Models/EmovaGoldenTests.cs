using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Models.Language;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>The whole model against the reference, from picture files and token ids to logits, loss and greedy answer; stage by stage.</summary>
[Trait("Category", "Golden")]
public class EmovaGoldenTests
{
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Cases => Fixtures.Cases("emova_e2e");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EveryStageMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        using TinyModelFolder huggingFace = new(fixture), origin = new(fixture, originFormat: true);
        origin.Shard(); // the other format, and the same weights from two files
        EmovaModel model = Load(huggingFace), same = Load(origin);
        NativeImageEncoder vision = (NativeImageEncoder)model.Vision!;
        RgbImage[] images = [.. fixture.Config.GetProperty("images").EnumerateArray().Select(file => ImageFile.Load(fixture.PathOf(file.GetString()!)))];
        ImagePatches[] patches = [.. images.Select(vision.ImageProcessor.Process)];
        Assert.Equal(fixture.Inputs.ReadInt64("image_grid_thw"), patches.SelectMany(image => new long[] { 1, image.GridHeight, image.GridWidth }));
        float[] pixels = fixture.Inputs.ReadFloat32("pixel_values");
        fixture.AssertClose("pixel_values", pixels, patches.SelectMany(image => image.Rows).ToArray(), 1e-5);

        // From here on the recorded pixels, so that a difference belongs to the model.
        int start = 0;
        for (int i = 0; i < patches.Length; i++)
        {
            int length = patches[i].Rows.Length;
            patches[i] = new ImagePatches(pixels[start..(start + length)], patches[i].GridHeight, patches[i].GridWidth);
            start += length;
        }

        IReadOnlyList<float[]> features = vision.Encode(patches);
        for (int i = 0; i < features.Count; i++)
        {
            if (fixture.Outputs.Tensors.ContainsKey($"image_features.{i}"))
                fixture.AssertClose($"image_features.{i}", features[i], Tolerance);
        }

        int[] ids = [.. fixture.Inputs.ReadInt64("input_ids").Select(id => (int)id)];
        float[] embeddings = model.EmbedPrompt(ids, features);
        fixture.AssertClose("inputs_embeds", embeddings, Tolerance);
        int count = embeddings.Length / model.Language.Config.HiddenSize, vocabulary = model.Language.Config.VocabSize;
        float[] logits = new float[count * vocabulary], others = new float[logits.Length];
        model.Language.Forward(model.Language.CreateCache(count), embeddings, logits);
        fixture.AssertClose("logits", logits, Tolerance);
        fixture.AssertClose("train.logits", logits, Tolerance);
        int[] labels = [.. fixture.Inputs.ReadInt64("train.labels").Select(id => (int)id)];
        SplicedBatch plan = ImageSplice.Plan([ids], null, [labels], [.. features.Select(f => f.Length / model.Language.Config.HiddenSize)]);
        fixture.AssertClose("train.loss", [LanguageModelTests.Loss(logits, [plan.Labels])], Tolerance);

        same.Language.Forward(same.Language.CreateCache(count), same.EmbedPrompt(ids, ((NativeImageEncoder)same.Vision!).Encode(patches)), others);
        Assert.Equal(logits, others);
        Decode(fixture, model, embeddings, count, logits[^vocabulary..]);
    }

    private static void Decode(FixtureCase fixture, EmovaModel model, float[] embeddings, int count, float[] expectedFirst)
    {
        long[] expected = fixture.Outputs.ReadInt64("decode.tokens");
        KvCache cache = model.Language.CreateCache(count + expected.Length);
        float[] logits = new float[model.Language.Config.VocabSize];
        model.Language.Forward(cache, embeddings, logits);
        Assert.Equal(expectedFirst, logits);
        List<float> all = [.. logits];
        List<long> tokens = [];
        while (tokens.Count < expected.Length)
        {
            tokens.Add(logits.Index().MaxBy(pair => pair.Item).Index);
            model.Language.Forward(cache, [(int)tokens[^1]], logits);
            all.AddRange(logits);
        }

        fixture.AssertClose("decode.logits", all.ToArray(), Tolerance);
        Assert.Equal(expected, tokens);
        Assert.Equal(fixture.Outputs.ReadInt64("generate.tokens"), tokens);
    }

    private static EmovaModel Load(TinyModelFolder folder)
    {
        using ModelFolder opened = ModelFolder.Open(folder.Folder);
        return EmovaModel.Load(opened);
    }
}
