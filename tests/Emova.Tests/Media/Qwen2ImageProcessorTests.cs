using System.Text.Json;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

public class Qwen2ImageProcessorTests
{
    [Fact]
    public void SmartResizeEqualsTheReferenceTable()
    {
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(Fixtures.File("smart_resize", "cases.json")));
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

        Assert.True(errors > 0 && cases.RootElement.GetArrayLength() > 100);
    }

    [Fact]
    public void SmartResizeRefusesPicturesThatWouldVanish() =>
        Assert.Contains("too narrow", Assert.Throws<EmovaException>(() => SmartResize.Compute(1, 60_000, 28, 3136, 3136)).Message);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void ResizedPixelsEqualTheReferenceExactly(int index)
    {
        using FixtureCase fixture = Fixtures.Open("qwen2vit");
        IReadOnlyList<long> shape = fixture.Inputs.Tensors[$"resized_uint8.{index}"].Shape;
        RgbImage resized = BicubicResampler.Resize(Load(fixture, index), (int)shape[1], (int)shape[0]);
        Assert.Equal(fixture.Inputs.ReadBytes($"resized_uint8.{index}"), resized.Pixels);
    }

    [Fact]
    public void PatchRowsEqualTheReference()
    {
        using FixtureCase fixture = Fixtures.Open("qwen2vit");
        Qwen2ImageProcessor processor = new()
        {
            MinPixels = fixture.Config.GetProperty("min_pixels").GetInt64(),
            MaxPixels = fixture.Config.GetProperty("max_pixels").GetInt64(),
        };
        ImagePatches[] images = [processor.Process(Load(fixture, 0)), processor.Process(Load(fixture, 1))];
        long[] grids = [.. images.SelectMany(image => new long[] { 1, image.GridHeight, image.GridWidth })];
        Assert.Equal(fixture.Inputs.ReadInt64("image_grid_thw"), grids);
        float[] rows = [.. images.SelectMany(image => image.Rows)];
        Closeness.Assert("pixel_values", fixture.Inputs.ReadFloat32("pixel_values"), rows, 1e-6);
    }

    [Fact]
    public void ResizingToTheSameSizeCopies()
    {
        RgbImage image = new(2, 1, [1, 2, 3, 4, 5, 6]);
        RgbImage copy = BicubicResampler.Resize(image, 2, 1);
        Assert.Equal(image.Pixels, copy.Pixels);
        Assert.NotSame(image.Pixels, copy.Pixels);
    }

    private static RgbImage Load(FixtureCase fixture, int index) =>
        ImageFile.Load(fixture.PathOf(fixture.Config.GetProperty("images")[index].GetString()!));
}
