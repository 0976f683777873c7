using System.Text.Json;
using Emova.Checkpoints;
using Emova.Media;
using Emova.Models;
using Emova.Models.Vision;
using Xunit;

namespace Emova.Tests.Models;

[Trait("Category", "Golden")]
public class ImageSpliceTests
{
    public static TheoryData<string> Cases => Fixtures.Cases("splice");

    public static TheoryData<string> TileCases => Fixtures.Cases("splice_anyres");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void PlacementLabelsMasksAndPositionsMatchTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        foreach (JsonElement run in fixture.Config.GetProperty("runs").EnumerateArray())
        {
            List<float[]> features = Features(fixture, run);
            CheckRun(fixture, run, features);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(TileCases))]
    public void TilesMatchTheReference(string name)
    {
        using FixtureCase fixture = Fixtures.Open(name);
        JsonElement config = fixture.Config;
        (int, int)[] candidates = [.. config.GetProperty("image_grid_pinpoints").EnumerateArray().Select(p => (p[0].GetInt32(), p[1].GetInt32()))];
        int tilePixels = config.GetProperty("tile_pixels").GetInt32();
        int side = config.GetProperty("num_patches_per_side").GetInt32() / config.GetProperty("downsample_rate_per_side").GetInt32();
        float[] newline = fixture.Weights.ReadFloat32("model.image_newline");

        foreach (JsonElement run in config.GetProperty("runs").EnumerateArray())
        {
            List<float[]> tiles = Features(fixture, run), merged = [];
            if (run.TryGetProperty("images_meta", out JsonElement images))
            {
                int next = 0;
                foreach (JsonElement image in images.EnumerateArray())
                {
                    int width = image.GetProperty("image_size")[0].GetInt32(), height = image.GetProperty("image_size")[1].GetInt32();
                    (int w, int h) = AnyResolution.Select(width, height, candidates);
                    Assert.Equal((image.GetProperty("best_resolution")[0].GetInt32(), image.GetProperty("best_resolution")[1].GetInt32()), (w, h));
                    int count = 1 + w / tilePixels * (h / tilePixels);
                    merged.Add(TileMerge.Merge(PatchMergeType.SpatialUnpad, tiles.GetRange(next, count), side, w / tilePixels, width, height, newline.Length, newline));
                    next += count;
                }

                Assert.Equal(tiles.Count, next);
            }
            else
            {
                merged.Add(TileMerge.Merge(PatchMergeType.SpatialUnpad, tiles, side, 1, 1, 1, newline.Length, newline));
            }

            CheckRun(fixture, run, merged);
        }
    }

    [Theory]
    [InlineData(10, 10)]
    [InlineData(30, 7)]
    [InlineData(7, 30)]
    [InlineData(100, 99)]
    [InlineData(13, 50)]
    public void UnpaddingMatchesTheReference(int width, int height)
    {
        using FixtureCase fixture = Fixtures.Open("splice_anyres");
        const int mapRows = 12, mapColumns = 8; // the recorded map holds 0, 1, 2, ... as (2, 12, 8)
        (int top, int left, int rows, int columns) = TileMerge.Unpad(width, height, mapColumns, mapRows);
        Assert.Equal([2, rows, columns], fixture.ShapeOf($"unpad.{width}x{height}"));
        float[] cut = [.. from c in Enumerable.Range(0, 2)
                          from y in Enumerable.Range(top, rows)
                          from x in Enumerable.Range(left, columns)
                          select (float)((c * mapRows + y) * mapColumns + x)];
        fixture.AssertClose($"unpad.{width}x{height}", cut, 0);
    }

    [Fact]
    public void MorePlaceholdersThanPicturesAreRefused()
    {
        EmovaException error = Assert.Throws<EmovaException>(() => ImageSplice.Plan([[1, -200, 2, -200]], null, null, [3]));
        Assert.Contains("more image placeholders than the 1 pictures", error.Message);
    }

    private static List<float[]> Features(FixtureCase fixture, JsonElement run)
    {
        string name = run.GetProperty("name").GetString()!;
        return [.. Enumerable.Range(0, run.GetProperty("num_image_features").GetInt32())
            .Select(i => fixture.Inputs.ReadFloat32($"{name}.image_features.{i}"))];
    }

    private static void CheckRun(FixtureCase fixture, JsonElement run, List<float[]> features)
    {
        string name = run.GetProperty("name").GetString()!;
        int dim = fixture.Config.GetProperty("hidden_size").GetInt32();
        float[] table = fixture.Weights.ReadFloat32("model.embed_tokens.weight");
        SplicedBatch batch = ImageSplice.Plan(
            Rows(fixture, $"{name}.input_ids", id => (int)id)!,
            Rows(fixture, $"{name}.attention_mask", value => value != 0),
            Rows(fixture, $"{name}.labels", id => (int)id),
            [.. features.Select(f => f.Length / dim)],
            run.GetProperty("tokenizer_model_max_length") is { ValueKind: JsonValueKind.Number } limit ? limit.GetInt32() : int.MaxValue,
            padLeft: run.GetProperty("tokenizer_padding_side").GetString() == "left");

        int compared = 0;
        Check("input_ids", () => Assert.Equal(fixture.Outputs.ReadInt64($"{name}.input_ids"), batch.Tokens.Select(x => (long)x)));
        Check("attention_mask", () => Assert.Equal(fixture.Outputs.ReadInt64($"{name}.attention_mask"), batch.Mask.Select(x => x ? 1L : 0)));
        Check("labels", () => Assert.Equal(fixture.Outputs.ReadInt64($"{name}.labels"), batch.Labels.Select(x => (long)x)));
        Check("position_ids", () => Assert.Equal(fixture.Outputs.ReadInt64($"{name}.position_ids"), batch.Positions.Select(x => (long)x)));
        Check("inputs_embeds", () =>
        {
            float[] all = [.. features.SelectMany(f => f)];
            float[] vectors = ImageSplice.Gather(
                batch, all, (tokens, target) => table.AsSpan(tokens[0] * dim, dim).CopyTo(target), dim);
            Assert.Equal([batch.Rows, batch.Length, dim], fixture.ShapeOf($"{name}.inputs_embeds"));
            fixture.AssertClose($"{name}.inputs_embeds", vectors, 0);
        });
        Assert.Equal(fixture.Outputs.Tensors.Keys.Count(key => key.StartsWith($"{name}.", StringComparison.Ordinal)), compared);

        void Check(string output, Action compare)
        {
            if (!fixture.Outputs.Tensors.ContainsKey($"{name}.{output}"))
                return;
            compare();
            compared++;
        }
    }

    private static T[][]? Rows<T>(FixtureCase fixture, string name, Func<long, T> convert) =>
        fixture.Inputs.Tensors.TryGetValue(name, out TensorInfo? info)
            ? [.. fixture.Inputs.ReadInt64(name).Select(convert).Chunk((int)info.Shape[1])]
            : null;
}
