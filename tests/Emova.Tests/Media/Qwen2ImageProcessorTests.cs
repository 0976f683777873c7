using System.Text.Json;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

[Trait("Category", "Golden")]
public class Qwen2ImageProcessorTests
{
    public static TheoryData<string> SmartResizeCases => Fixtures.Cases("smart_resize");

    public static TheoryData<string> PictureCases => Fixtures.Cases("qwen2vit");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(SmartResizeCases))]
    public void SmartResizeEqualsTheReferenceTable(string name)
    {
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(Fixtures.File(name, "cases.json")));
        int errors = 0;
        foreach (JsonElement item in cases.RootElement.EnumerateArray())
        {
            int height = Get("height"), width = Get("width");
            if (item.TryGetProperty("error", out _))
            {
                errors++;
                Assert.Throws<EmovaException>(() => SmartResize.Compute(height, width, Get("factor"), Get("min_pixels"), Get("max_pixels")));
                continue;
            }

            int[] expected = [.. item.GetProperty("result").EnumerateArray().Select(x => x.GetInt32())];
            (int h, int w) = SmartResize.Compute(height, width, Get("factor"), Get("min_pixels"), Get("max_pixels"));
            Assert.True(expected is [int eh, int ew] && (eh, ew) == (h, w), $"{height} x {width}: expected {string.Join(" x ", expected)}, got {h} x {w}");

            int Get(string name) => item.GetProperty(name).GetInt32();
        }

        if (Fixtures.IsDefault)
            Assert.True(errors > 0 && cases.RootElement.GetArrayLength() > 100);
    }

    [Fact]
    public void SmartResizeRefusesPicturesThatWouldVanish() =>
        Assert.Contains("too narrow", Assert.Throws<EmovaException>(() => SmartResize.Compute(1, 60_000, 28, 3136, 3136)).Message);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(PictureCases))]
    public void PixelsAndPatchRowsEqualTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        Qwen2ImageProcessor processor = new()
        {
            PatchSize = fixture.Config.GetProperty("vision").GetProperty("patch_size").GetInt32(),
            SpatialMergeSize = fixture.Config.GetProperty("vision").GetProperty("spatial_merge_size").GetInt32(),
            TemporalPatchSize = fixture.Config.GetProperty("vision").GetProperty("temporal_patch_size").GetInt32(),
            MinPixels = fixture.Config.GetProperty("min_pixels").GetInt64(),
            MaxPixels = fixture.Config.GetProperty("max_pixels").GetInt64(),
            Normalization = new PixelNormalization(Values("image_mean"), Values("image_std")),
        };
        List<ImagePatches> patches = [];
        foreach ((int i, JsonElement file) in fixture.Config.GetProperty("images").EnumerateArray().Index())
        {
            RgbImage image = ImageFile.Load(fixture.PathOf(file.GetString()!));
            Assert.Equal(fixture.Inputs.ReadBytes($"decoded_uint8.{i}"), image.Pixels);
            IReadOnlyList<long> shape = fixture.Inputs.Tensors[$"resized_uint8.{i}"].Shape;
            Assert.Equal(fixture.Inputs.ReadBytes($"resized_uint8.{i}"), BicubicResampler.Resize(image, (int)shape[1], (int)shape[0]).Pixels);
            patches.Add(processor.Process(image));
        }

        Assert.Equal(fixture.Inputs.ReadInt64("image_grid_thw"), patches.SelectMany(image => new long[] { 1, image.GridHeight, image.GridWidth }));
        fixture.AssertClose("pixel_values", fixture.Inputs.ReadFloat32("pixel_values"), patches.SelectMany(image => image.Rows).ToArray(), 1e-5);

        double[] Values(string key) => [.. fixture.Config.GetProperty(key).EnumerateArray().Select(value => value.GetDouble())];
    }

    [Fact]
    public void ResizingToTheSameSizeCopies()
    {
        RgbImage image = new(2, 1, [1, 2, 3, 4, 5, 6]);
        RgbImage copy = BicubicResampler.Resize(image, 2, 1);
        Assert.Equal(image.Pixels, copy.Pixels);
        Assert.NotSame(image.Pixels, copy.Pixels);
    }
}
