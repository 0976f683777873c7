using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models.Vision;
using Emova.Tests.Media;
using Xunit;

namespace Emova.Tests.Models;

/// <summary>InternViT, CLIP and SigLIP against the reference, every stage in the order it is computed.</summary>
[Trait("Category", "Golden")]
public class TileEncoderTests
{
    private const double Tolerance = 5e-5;

    public static TheoryData<string> InternVit => Fixtures.Cases("internvit");

    public static TheoryData<string> Clip => Fixtures.Cases("clip_tower");

    public static TheoryData<string> Siglip => Fixtures.Cases("siglip_tower");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(InternVit))]
    public void InternVitMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        InternVisionTransformer encoder = Load(fixture, InternVisionConfig.Read(Section(fixture)).Load);
        IReadOnlyList<long> shape = fixture.Inputs.Tensors["pixel_values"].Shape;
        float[] pixels = fixture.Inputs.ReadFloat32("pixel_values");
        List<string> seen = [];
        float[] features = encoder.Encode(pixels, (int)shape[2], (int)shape[3], (stage, values) => Check(fixture, stage, values, Tolerance, seen));
        fixture.AssertClose("features", features, Tolerance);
        // Hidden states behind the selected one are recorded, but not computed.
        HashSet<string> unused = [.. Enumerable.Range(encoder.Config.UsedLayers + 1, encoder.Config.NumHiddenLayers).Select(i => $"hidden.{i}")];
        Assert.Equal(Named(fixture).Except(unused).Order(), seen.Order());
        if (shape[2] == encoder.Config.ImageSize && shape[3] == shape[2])
            Assert.Equal(features, encoder.Encode(pixels)); // the path of EmovaModel
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Clip))]
    public void ClipMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        ClipVisionTransformer encoder = Load(fixture, ClipVisionConfig.Read(Section(fixture)).Load);
        TileImageProcessor processor = TileImageProcessorTests.Processor(fixture.Config.GetProperty("processor"));
        RgbImage image = Photo(fixture);
        fixture.AssertClose("pixel_values_crop", processor.Process(image), 1e-5);
        float[] pixels = processor.ProcessPadded(image);
        fixture.AssertClose("pixel_values_pad", pixels, 1e-5);

        List<string> seen = [];
        float[] features = encoder.Encode(
            fixture.Outputs.ReadFloat32("pixel_values_pad"), (stage, values) => Check(fixture, stage, values, Tolerance, seen));
        fixture.AssertClose("features", features, Tolerance);
        // Hidden states behind the selected one are recorded, but not computed.
        Assert.Equal(Enumerable.Range(0, encoder.Config.UsedLayers + 1).Select(i => $"hidden.{i}"), seen);
        fixture.AssertClose("features", encoder.Encode(pixels), Tolerance);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Siglip))]
    public void SiglipMatchesTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        SiglipVisionTransformer encoder = Load(fixture, SiglipVisionConfig.Read(Section(fixture)).Load);
        float[] pixels = encoder.Config.CreateImageProcessor().Process(Photo(fixture));
        int side = encoder.Config.ImageSize;
        float[] rows = [.. from channel in Enumerable.Range(0, 3)
                           from row in new[] { 0, 200, 383 }
                           from value in pixels[((channel * side + row) * side)..((channel * side + row + 1) * side)]
                           select value];
        fixture.AssertClose("pixel_values_rows_0_200_383", rows, 1e-5);
        double[][] channels = [.. pixels.Chunk(side * side).Select(values => values.Select(v => (double)v).ToArray())];
        double[] means = [.. channels.Select(values => values.Average())];
        double[] deviations = [.. channels.Select((values, c) => Math.Sqrt(values.Sum(v => (v - means[c]) * (v - means[c])) / (values.Length - 1)))];
        fixture.AssertClose("pixel_values_channel_mean_std", [.. means.Concat(deviations).Select(v => (float)v)], 1e-5);

        List<string> seen = [];
        float[] features = encoder.Encode(pixels, (stage, values) => Check(fixture, stage, values, 1e-4, seen));
        fixture.AssertClose("features", features, 1e-4);
        Assert.Contains("hidden.0", seen);
    }

    [Fact]
    public void TilesInOnePassDoNotSeeEachOther()
    {
        using FixtureCase fixture = Fixtures.Open("internvit_layernorm");
        InternVisionTransformer encoder = Load(fixture, InternVisionConfig.Read(Section(fixture)).Load);
        float[] pixels = fixture.Inputs.ReadFloat32("pixel_values");
        float[] first = encoder.Encode(pixels.AsSpan(0, pixels.Length / 2)), second = encoder.Encode(pixels.AsSpan(pixels.Length / 2));
        Assert.Equal(encoder.Encode(pixels), first.Concat(second)); // bit for bit
    }

    [Fact]
    public void PositionsAreInterpolatedToOtherSizes()
    {
        // A constant stays constant, whatever the two grids are; the class token's row is not touched.
        foreach ((int side, int rows, int columns) in ((int, int, int)[])[(1, 3, 2), (4, 1, 1), (5, 7, 3), (6, 12, 9)])
        {
            float[] constant = PositionInterpolation.Resize([7, .. Enumerable.Repeat(3f, side * side)], 1, side, rows, columns);
            Closeness.Assert("constant", [7, .. Enumerable.Repeat(3f, rows * columns)], constant, 1e-5);
        }

        // A step of one at double width: the weights at a quarter and three quarters, by hand with a = -0.75.
        float[] steps = [0, .. Enumerable.Range(0, 4).SelectMany(_ => new float[] { 0, 0, 1, 1 })];
        float[] step = PositionInterpolation.Resize(steps, 1, 4, 4, 8);
        float[] expected = [0, -0.03515625f, -0.10546875f, 0.2265625f, 0.7734375f, 1.10546875f, 1.03515625f, 1];
        Closeness.Assert("step", expected, step.AsSpan(1, 8), 1e-6);
        float[] turned = [0, .. Enumerable.Range(0, 16).Select(i => i < 8 ? 0f : 1f)];
        float[] column = PositionInterpolation.Resize(turned, 1, 4, 8, 4);
        Closeness.Assert("step", expected, [.. Enumerable.Range(0, 8).Select(y => column[1 + 4 * y])], 1e-6);
    }

    [Fact]
    public void OneEncoderTakesTilesOfOtherSizes()
    {
        using FixtureCase fixture = Fixtures.Open("internvit_rmsnorm_qknorm");
        InternVisionTransformer encoder = Load(fixture, InternVisionConfig.Read(Section(fixture)).Load);
        int patch = encoder.Config.PatchSize, dim = encoder.Config.HiddenSize;
        Random random = new(1);
        float[] pixels = [.. Enumerable.Range(0, 3 * (2 * patch + 3) * 5 * patch).Select(_ => random.NextSingle())];
        float[] features = encoder.Encode(pixels, 2 * patch + 3, 5 * patch);
        Assert.Equal(2 * 5 * dim, features.Length);
        Assert.All(features, value => Assert.True(float.IsFinite(value)));
        Assert.Throws<ArgumentException>(() => encoder.Encode(pixels));
    }

    [Theory]
    [InlineData("""{"num_attention_heads": 0}""", "num_attention_heads must be a whole number from 1 to 1024, is 0")]
    [InlineData("""{"num_attention_heads": 7}""", "hidden_size 3200 must be a multiple of num_attention_heads 7")]
    [InlineData("""{"patch_size": 57, "image_size": 56}""", "patch_size 57 must not exceed image_size 56")]
    [InlineData("""{"hidden_size": 2147483647}""", "hidden_size must be a whole number from 1 to 65536")]
    [InlineData("""{"image_size": 1e300}""", "image_size must be a whole number from 1 to 4096")]
    [InlineData("""{"hidden_act": "relu6"}""", "hidden_act must be one of gelu, gelu_pytorch_tanh, quick_gelu, is \"relu6\"")]
    [InlineData("""{"mm_vision_select_layer": -47}""", "mm_vision_select_layer must be a whole number from -46 to 45, is -47")]
    [InlineData("""{"mm_vision_select_feature": "cls"}""", "must be one of patch, cls_patch")]
    [InlineData("""{"norm_type": "batch_norm"}""", "norm_type must be one of rms_norm, layer_norm")]
    [InlineData("""{"type": "UNITVisionTower"}""", "must be one of Qwen2VisionTower, InternVisionTower, CLIPVisionTower, SigLipVisionTower")]
    public void HostileConfigurationsAreRefused(string json, string message)
    {
        using JsonDocument document = JsonDocument.Parse(json.Contains("\"type\"") ? json : json.Replace("{", """{"type": "InternVisionTower", """, StringComparison.Ordinal));
        EmovaException error = Assert.Throws<EmovaException>(() => VisionTowerConfig.Read(new ConfigSection("config.json: vision_config", document.RootElement)));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void HugeDimensionsWithoutWeightsDoNotAllocate()
    {
        using JsonDocument document = JsonDocument.Parse("""{"hidden_size": 65536, "intermediate_size": 262144, "num_attention_heads": 1, "patch_size": 1, "image_size": 4096, "num_hidden_layers": 1000}""");
        ConfigSection section = new("config.json: vision_config", document.RootElement);
        foreach (TileEncoderConfig config in (TileEncoderConfig[])[InternVisionConfig.Read(section), ClipVisionConfig.Read(section), SiglipVisionConfig.Read(section)])
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Contains("missing", Assert.Throws<EmovaException>(() => config.Load(new WeightLoader([]))).Message);
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 64 << 20);
        }
    }

    internal static ConfigSection Section(FixtureCase fixture) => new($"{fixture.Name}/config.json", fixture.Config);

    private static T Load<T>(FixtureCase fixture, Func<WeightLoader, T> load)
    {
        WeightLoader weights = new WeightLoader([fixture.Weights]).Push("vision_tower");
        T encoder = load(weights);
        weights.Finish();
        return encoder;
    }

    private static RgbImage Photo(FixtureCase fixture)
    {
        RgbImage image = ImageFile.Load(fixture.PathOf(fixture.Config.GetProperty("image").GetString()!));
        Assert.Equal(fixture.Inputs.ReadBytes("image_uint8"), image.Pixels);
        return image;
    }

    /// <summary>Compares a stage if it was recorded.</summary>
    private static void Check(FixtureCase fixture, string stage, ReadOnlySpan<float> values, double tolerance, List<string> seen)
    {
        string? output = new[] { stage, $"act.{stage}" }.FirstOrDefault(fixture.Outputs.Tensors.ContainsKey);
        if (output is null)
            return;
        fixture.AssertClose(output, values, tolerance);
        seen.Add(output);
    }

    private static IEnumerable<string> Named(FixtureCase fixture) =>
        fixture.Outputs.Tensors.Keys.Where(name => name.StartsWith("hidden.", StringComparison.Ordinal) || name.StartsWith("act.", StringComparison.Ordinal));
}
