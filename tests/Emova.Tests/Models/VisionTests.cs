using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

public class VisionTests
{
    [Fact]
    public void EncoderMatchesTheReferenceAtEveryStage()
    {
        using FixtureCase fixture = Fixtures.Open("qwen2vit");
        Qwen2VisionTransformer encoder = LoadEncoder(fixture);
        Dictionary<string, float[]> seen = [];
        float[] features = encoder.Encode(Images(fixture), (name, values) => seen[name] = values.ToArray());

        fixture.AssertClose("rotary_freqs", seen["rotary_freqs"], 1e-6);
        string[] stages = ["patch_embed", "blocks.0.attn", "blocks.0.mlp", "blocks.0", "blocks.1", "blocks.2", "merger.ln_q"];
        foreach (string stage in stages)
            fixture.AssertClose($"act.{stage}", seen[stage], 5e-5);
        double error = fixture.AssertClose("features", features, 5e-5);
        TestContext.Current.TestOutputHelper?.WriteLine($"features: largest error {error:g3}");
    }

    [Fact]
    public void PicturesInOneBatchDoNotSeeEachOther()
    {
        using FixtureCase fixture = Fixtures.Open("qwen2vit");
        Qwen2VisionTransformer encoder = LoadEncoder(fixture);
        ImagePatches[] images = Images(fixture);
        float[] together = encoder.Encode(images);
        float[] first = encoder.Encode([images[0]]), second = encoder.Encode([images[1]]);
        Assert.Equal(together, first.Concat(second).ToArray()); // bit for bit
        fixture.AssertClose("features_single.image0", first, 5e-5);
        fixture.AssertClose("features_single.image1", second, 5e-5);
    }

    [Fact]
    public void ProjectorMatchesTheReference()
    {
        using FixtureCase vit = Fixtures.Open("qwen2vit");
        WeightLoader weights = new([vit.Weights]);
        MlpProjector projector = MlpProjector.Load(2, 48, 40, weights.Push("mm_projector"));
        weights.Push("mm_projector").Finish();
        vit.AssertClose("projected", projector.Forward(vit.Outputs.ReadFloat32("features")), 5e-5);

        using FixtureCase fixture = Fixtures.Open("projectors");
        WeightLoader mlp = new WeightLoader([fixture.Weights]).Push("mlp");
        projector = MlpProjector.Load(2, 48, 40, mlp);
        mlp.Finish();
        fixture.AssertClose("mlp.y", projector.Forward(fixture.Inputs.ReadFloat32("mlp.x")), 5e-5);
    }

    [Theory]
    [InlineData("""{"depth": 0}""", "config.json: vision_config.depth must be a whole number from 1 to 1000, is 0")]
    [InlineData("""{"depth": 1.5}""", "must be a whole number")]
    [InlineData("""{"embed_dim": 100, "num_heads": 10}""", "must be a multiple of 4 times num_heads")]
    [InlineData("""{"type": "CLIPVisionTower"}""", "must be one of Qwen2VisionTower, is \"CLIPVisionTower\"")]
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
    private static ImagePatches[] Images(FixtureCase fixture)
    {
        float[] rows = fixture.Inputs.ReadFloat32("pixel_values");
        long[] grids = fixture.Inputs.ReadInt64("image_grid_thw");
        List<ImagePatches> images = [];
        int start = 0;
        for (int i = 0; i < grids.Length; i += 3)
        {
            int length = (int)(grids[i + 1] * grids[i + 2]) * 1176;
            images.Add(new ImagePatches(rows[start..(start + length)], (int)grids[i + 1], (int)grids[i + 2]));
            start += length;
        }

        return [.. images];
    }
}
