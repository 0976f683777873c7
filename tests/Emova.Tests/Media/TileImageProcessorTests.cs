using System.Text.Json;
using CsCheck;
using Emova.Media;
using Xunit;

namespace Emova.Tests.Media;

[Trait("Category", "Golden")]
public class TileImageProcessorTests
{
    public static TheoryData<string> AnyResolutionCases => Fixtures.Cases("anyres_preprocess");

    /// <summary>The processor a golden case describes.</summary>
    internal static TileImageProcessor Processor(JsonElement json)
    {
        return new TileImageProcessor(
            json.GetProperty("shortest_edge").GetInt32(), json.GetProperty("crop").GetInt32(), new PixelNormalization(Values("mean"), Values("std")));

        double[] Values(string key) => [.. json.GetProperty(key).EnumerateArray().Select(value => value.GetDouble())];
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(AnyResolutionCases))]
    public void TilesMatchTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(fixture.PathOf("cases.json")));
        int tile = cases.RootElement.GetProperty("tile").GetInt32();
        (int, int)[] candidates = Pairs(cases.RootElement.GetProperty("image_grid_pinpoints"));
        TileImageProcessor processor = new(tile, tile, PixelNormalization.Clip);
        foreach ((int i, JsonElement item) in cases.RootElement.GetProperty("images").EnumerateArray().Index())
        {
            RgbImage image = ImageFile.Load(fixture.PathOf(item.GetProperty("file").GetString()!));
            Assert.Equal(Pair(item.GetProperty("size_wh")), (image.Width, image.Height));
            (int Width, int Height) resolution = AnyResolution.Select(image.Width, image.Height, candidates);
            Assert.Equal(Pair(item.GetProperty("best_resolution")), resolution);
            Assert.Equal(Pair(item.GetProperty("grid_wh")), (resolution.Width / tile, resolution.Height / tile));

            AssertPixels($"{i}.base_resized_uint8", BicubicResampler.Resize(image, tile, tile));
            AssertPixels($"{i}.padded_uint8", AnyResolution.Letterbox(image, resolution.Width, resolution.Height));
            AssertPixels($"{i}.square_uint8", processor.PadToSquare(image).ToImage());
            float[][] tiles = [.. processor.ProcessTiles(image, resolution)];
            Assert.Equal(item.GetProperty("tiles").GetInt32(), tiles.Length);
            fixture.AssertClose($"{i}.pixel_values", [.. tiles.SelectMany(values => values)], 1e-5);
        }

        void AssertPixels(string output, RgbImage image)
        {
            Assert.Equal([image.Height, image.Width, 3], fixture.ShapeOf(output));
            Assert.Equal(fixture.Outputs.ReadBytes(output), image.Pixels);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(AnyResolutionCases))]
    public void GridsMatchTheReferenceTable(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(fixture.PathOf("cases.json")));
        JsonElement table = cases.RootElement.GetProperty("best_resolution_table");
        (int, int)[] candidates = Pairs(table.GetProperty("pinpoints"));
        foreach (JsonElement row in table.GetProperty("rows").EnumerateArray())
        {
            (int width, int height) = Pair(row.GetProperty("size_wh"));
            Assert.Equal((width, height, Pair(row.GetProperty("best"))), (width, height, AnyResolution.Select(width, height, candidates)));
        }
    }

    [Theory]
    [InlineData(400, 400, 448, 896)]
    [InlineData(448, 448, 448, 896)]
    [InlineData(500, 500, 896, 896)]
    [InlineData(640, 480, 896, 896)]
    [InlineData(1920, 1080, 896, 896)]
    [InlineData(800, 2400, 448, 1344)]
    [InlineData(4000, 300, 1792, 448)]
    public void DefaultGridsKeepTheEarlierOnTies(int width, int height, int bestWidth, int bestHeight) =>
        Assert.Equal((bestWidth, bestHeight), AnyResolution.Select(width, height, AnyResolution.DefaultCandidates(448)));

    [Fact]
    public void CenterAndProportionsAreKeptOrNot()
    {
        // Left half red, right half blue, twice as wide as high.
        RgbImage image = new(40, 20, [.. Enumerable.Range(0, 40 * 20).SelectMany(i => i % 40 < 20 ? new byte[] { 255, 0, 0 } : [0, 0, 255])]);
        PixelNormalization plain = new([0, 0, 0], [1, 1, 1]);
        float[] cut = new TileImageProcessor(20, 10, plain).Process(image), squeezed = new TileImageProcessor(20, 10, plain) { KeepAspectRatio = false }.Process(image);
        foreach (float[] tile in (float[][])[cut, squeezed])
        {
            Assert.Equal(3 * 10 * 10, tile.Length);
            Assert.Equal([1, 0, 0, 1], new[] { tile[0], tile[9], tile[200], tile[209] }); // red, then blue
        }

        Assert.Equal(new TileImageProcessor(10, 10, plain).Process(new ImageWindow(image, 15, 5, 10, 10).ToImage()), cut);
        float[] padded = new TileImageProcessor(40, 40, plain).ProcessPadded(image);
        Assert.All(Enumerable.Range(0, 40), x => Assert.Equal((0, x < 20 ? 1 : 0, 0), (padded[9 * 40 + x], padded[10 * 40 + x], padded[30 * 40 + x])));
    }

    [Fact]
    public void AnyPictureBecomesTilesOfTheRightSize() => Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300], Gen.Bool, Gen.Int[1, 24], Gen.Int[0, 8]).Sample((a, b, thin, tile, extra) =>
    {
        RgbImage image = Noise(thin ? 1 : a, b);
        foreach (bool keep in (bool[])[true, false])
        {
            TileImageProcessor processor = new(tile + extra, tile, PixelNormalization.Half) { KeepAspectRatio = keep };
            (int Width, int Height) resolution = AnyResolution.Select(image.Width, image.Height, AnyResolution.DefaultCandidates(tile));
            float[][] results = [processor.Process(image), processor.ProcessPadded(image), .. processor.ProcessTiles(image, resolution)];
            Assert.Equal(3 + resolution.Width / tile * (resolution.Height / tile), results.Length);
            foreach (float[] result in results)
                Assert.True(result.Length == 3 * tile * tile && result.All(value => value is >= -1 and <= 1));
        }
    }, iter: 200, threads: 1);

    [Fact]
    public void WindowsEqualTheirDefinition() => Gen.Select(Gen.Int[-9, 9], Gen.Int[-9, 9], Gen.Int[1, 12], Gen.Int[1, 12]).Sample((left, top, width, height) =>
    {
        RgbImage image = Noise(5, 7), window = new ImageWindow(image, left, top, width, height, (1, 2, 3)).ToImage();
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                (int sourceX, int sourceY) = (x + left, y + top);
                bool inside = sourceX is >= 0 and < 5 && sourceY is >= 0 and < 7;
                byte[] expected = inside ? image.Pixels[(3 * (sourceY * 5 + sourceX))..(3 * (sourceY * 5 + sourceX) + 3)] : [1, 2, 3];
                Assert.Equal(expected, window.Pixels[(3 * (y * width + x))..(3 * (y * width + x) + 3)]);
            }
        }
    }, iter: 300, threads: 1);

    [Fact]
    public void APartOfAScaledPictureEqualsTheCutWhole() => Gen.Select(Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int[1, 60], Gen.Int[1, 60]).Sample((width, height, newWidth, newHeight) =>
    {
        RgbImage image = Noise(width, height), whole = BicubicResampler.Resize(image, newWidth, newHeight);
        (int left, int top) = (newWidth / 3, newHeight / 4);
        RgbImage part = BicubicResampler.Resize(
            ImageWindow.Of(image), new BicubicResampler.Axis(newWidth, left, newWidth - left), new BicubicResampler.Axis(newHeight, top, newHeight - top));
        Assert.Equal(new ImageWindow(whole, left, top, newWidth - left, newHeight - top).ToImage().Pixels, part.Pixels);
    }, iter: 300, threads: 1);

    [Fact]
    public void HostileShapesAreRefusedOrCheap()
    {
        TileImageProcessor processor = new(28, 28, PixelNormalization.Clip);
        RgbImage strip = new(1, 30_000, new byte[90_000]);
        Assert.Contains("at most 20000 times", Assert.Throws<EmovaException>(() => processor.Process(strip)).Message);
        Assert.Contains("at most 20000 times", Assert.Throws<EmovaException>(() => processor.ProcessTiles(strip, (28, 56)).Count()).Message);
        Assert.Contains("padded to a square", Assert.Throws<EmovaException>(() => processor.ProcessPadded(strip)).Message);

        // Scaled to a shorter edge of 28 this picture would have 168 million pixels; only the tile is computed.
        RgbImage thin = new(1, 15_000, new byte[45_000]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        processor.Process(new RgbImage(15_000, 1, thin.Pixels));
        processor.Process(thin);
        Assert.Equal(3, processor.ProcessTiles(thin, (28, 56)).Count());
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 4 << 20);
    }

    private static RgbImage Noise(int width, int height)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(width * 1000 + height).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }

    private static (int, int) Pair(JsonElement json) => (json[0].GetInt32(), json[1].GetInt32());

    private static (int, int)[] Pairs(JsonElement json) => [.. json.EnumerateArray().Select(Pair)];
}
