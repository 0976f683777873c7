using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

[Trait("Category", "Golden")]
public class VisionTests
{
    private const double Tolerance = 5e-5;

    public static TheoryData<string> Cases => Fixtures.Cases("qwen2vit");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EncoderMatchesTheReferenceAtEveryStage(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2VisionTransformer encoder = LoadEncoder(fixture);
        HashSet<string> compared = [];
        float[] features = encoder.Encode(Images(fixture, encoder.Config), (stage, values) =>
        {
            string? output = new[] { stage, $"act.{stage}" }.FirstOrDefault(fixture.Outputs.Tensors.ContainsKey);
            if (output is null)
                return;
            fixture.AssertClose(output, values, stage == "rotary_freqs" ? 1e-6 : Tolerance);
            compared.Add(output);
        });
        fixture.AssertClose("features", features, Tolerance);
        Assert.Equal(fixture.Outputs.Tensors.Keys.Where(key => key.StartsWith("act.", StringComparison.Ordinal)).Append("rotary_freqs").Order(), compared.Order());
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void PicturesInOneBatchDoNotSeeEachOther(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2VisionTransformer encoder = LoadEncoder(fixture);
        ImagePatches[] images = Images(fixture, encoder.Config);
        float[][] alone = [.. images.Select(image => encoder.Encode([image]))];
        Assert.Equal(encoder.Encode(images), alone.SelectMany(features => features)); // bit for bit
        foreach ((int i, float[] features) in alone.Index())
            fixture.AssertClose($"features_single.image{i}", features, Tolerance);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void ProjectorMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        JsonElement section = fixture.Config.GetProperty("projector");
        WeightLoader weights = new WeightLoader([fixture.Weights]).Push("mm_projector");
        Projector projector = Projector.Load(
            ProjectorConfig.Read(new ConfigSection($"{name}/config.json: projector", section)),
            section.GetProperty("mm_hidden_size").GetInt32(), section.GetProperty("hidden_size").GetInt32(), weights);
        weights.Finish();
        fixture.AssertClose("projected", projector.Forward(fixture.Outputs.ReadFloat32("features")), Tolerance);
    }

    [Fact]
    public void NothingIsAllocatedPerPatchOrHead()
    {
        Qwen2VisionConfig config = new() { Depth = 4, EmbedDim = 32, HiddenSize = 16, MlpRatio = 2, NumHeads = 4 };
        Qwen2VisionTransformer encoder = Qwen2VisionTransformer.Load(config, new WeightLoader([]));
        const int side = 40, patches = side * side;
        ImagePatches[] image = [new ImagePatches(new float[patches * config.PatchDim], side, side)];
        encoder.Encode(image);
        long before = GC.GetAllocatedBytesForCurrentThread();
        encoder.Encode(image);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        // Residual stream, normalized input, queries with keys and values; angles with cosines and sines; feed-forward rows; merger.
        int values = patches * ((1 + 1 + 3) * 32 + 3 * 4) + 512 * 64 + patches / 4 * (4 * 32 + 16);
        Assert.InRange(allocated, values * sizeof(float), values * sizeof(float) + 16384);
    }

    [Theory]
    [InlineData("""{"depth": 0}""", "config.json: vision_config.depth must be a whole number from 1 to 1000, is 0")]
    [InlineData("""{"depth": 1.5}""", "must be a whole number")]
    [InlineData("""{"embed_dim": 100, "num_heads": 10}""", "must be a multiple of 4 times num_heads")]
    [InlineData("""{"type": "CLIPVisionTower"}""", "must be one of Qwen2VisionTower, is \"CLIPVisionTower\"")]
    [InlineData("""{"hidden_act": "relu"}""", "hidden_act must be one of gelu, gelu_pytorch_tanh, quick_gelu, is \"relu\"")]
    [InlineData("""{"min_pixels": 268435456}""", "min_pixels must be a whole number from 1 to 16777216, is 268435456")]
    [InlineData("""{"min_pixels": 6272, "max_pixels": 3136}""", "min_pixels 6272 must not exceed max_pixels 3136")]
    public void ConfigurationErrorsNameKeyAndRange(string json, string message)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        ConfigSection section = new("config.json: vision_config", document.RootElement);
        Assert.Contains(message, Assert.Throws<EmovaException>(() => Qwen2VisionConfig.Read(section)).Message);
    }

    private static Qwen2VisionTransformer LoadEncoder(FixtureCase fixture)
    {
        Qwen2VisionConfig config = Qwen2VisionConfig.Read(new ConfigSection("config.json", fixture.Config).Section("vision"));
        WeightLoader weights = new WeightLoader([fixture.Weights]).Push("vision_tower");
        Qwen2VisionTransformer encoder = Qwen2VisionTransformer.Load(config, weights);
        weights.Finish();
        return encoder;
    }

    /// <summary>The recorded patch rows, cut into pictures.</summary>
    private static ImagePatches[] Images(FixtureCase fixture, Qwen2VisionConfig config)
    {
        float[] rows = fixture.Inputs.ReadFloat32("pixel_values");
        long[] grids = fixture.Inputs.ReadInt64("image_grid_thw");
        List<ImagePatches> images = [];
        int start = 0;
        for (int i = 0; i < grids.Length; i += 3)
        {
            int length = (int)(grids[i + 1] * grids[i + 2]) * config.PatchDim;
            images.Add(new ImagePatches(rows[start..(start + length)], (int)grids[i + 1], (int)grids[i + 2]));
            start += length;
        }

        return [.. images];
    }
}
