using Emova.Media;
using Emova.Text;
using Emova.Training.Data;
using Emova.Training.Modules;
using Emova.Training.Stages.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Stages;

public sealed class LanguageBatchTests
{
    private const int Ignore = ConversationLabels.Ignore;

    [Fact]
    public void A_picture_takes_the_place_of_its_placeholder_and_targets_follow_their_positions()
    {
        Scene scene = new(56, 28, new SceneBackground([0, 0, 0], "plain", 1), []); // 2 cells
        TrainingSample pictured = new(LanguageTask.Picture, [11, ImagePlaceholder.Id, 12, 13, 14], [Ignore, Ignore, Ignore, 13, 14], new DrawnPicture(scene));
        TrainingSample plain = new(LanguageTask.Conversation, [21, 22, 23], [Ignore, 22, 23]);
        LanguageBatch batch = LanguageBatch.Create([pictured, plain]);

        Assert.Equal((2, 5), (batch.Rows, batch.Columns)); // 6 positions, the last of which predicts nothing
        Assert.Equal([11, 0, 0, 12, 13, 21, 22, 23, 0, 0], batch.Ids);
        Assert.Equal([1, 2], batch.PictureRows);
        Assert.Same(scene, Assert.IsType<DrawnPicture>(Assert.Single(batch.Pictures)).Scene);
        Assert.Equal([3, 4, 5, 6], batch.TargetRows); // the position before each target
        Assert.Equal([13, 14, 22, 23], batch.Targets);
        Assert.Equal([LanguageTask.Picture, LanguageTask.Picture, LanguageTask.Conversation, LanguageTask.Conversation], batch.TargetTasks);
        Assert.Equal(9, batch.Tokens);
        Assert.Null(batch.Segments);
    }

    [Fact]
    public void Packed_samples_fill_rows_long_ones_first_and_keep_their_targets()
    {
        TrainingSample[] samples = [Counting(10, 3), Counting(20, 6), Counting(30, 4), Counting(40, 9)]; // widths 2, 5, 3, 8
        LanguageBatch batch = LanguageBatch.Pack(samples, columns: 8);
        Assert.Equal((3, 8), (batch.Rows, batch.Columns));
        Assert.Equal([40, 41, 42, 43, 44, 45, 46, 47], batch.Ids[..8]);
        Assert.Equal([20, 21, 22, 23, 24, 30, 31, 32], batch.Ids[8..16]);
        Assert.Equal([10, 11, 0, 0, 0, 0, 0, 0], batch.Ids[16..]);
        Assert.Equal([1, 1, 1, 1, 1, 2, 2, 2], batch.Segments![8..16]);
        Assert.Equal([3, 3, -1, -1, -1, -1, -1, -1], batch.Segments[16..]);

        // Every target follows the position it is predicted from.
        Assert.Equal(samples.Sum(s => s.Length - 1), batch.Targets.Length);
        Assert.All(batch.TargetRows.Zip(batch.Targets), pair => Assert.Equal(batch.Ids[pair.First] + 1, pair.Second));
    }

    [Fact]
    public void Packing_changes_no_loss()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        random.manual_seed(5);
        using OmniModel model = new(OmniModelParityTests.Config, TwinOptions.Exact);
        LanguageStep step = new(model, new PictureFeatures(model, null, 0, frozen: true));
        TrainingSample[] samples = [Counting(1, 12), Pictured(56, 84), Counting(20, 5), Pictured(56, 56), Counting(7, 9)];
        LanguageBatch packed = LanguageBatch.Pack(samples, columns: 24);
        Assert.True(packed.Rows < samples.Length);
        float[] expected = [.. samples.OrderByDescending(s => s.Length).SelectMany(s => Losses(LanguageBatch.Create([s]))).Order()];
        float[] actual = [.. Losses(packed).Order()];
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));

        float[] Losses(LanguageBatch batch) => step.Losses(batch).data<float>().ToArray();
    }

    private static TrainingSample Counting(int first, int length)
    {
        int[] ids = [.. Enumerable.Range(first, length)];
        return new TrainingSample(LanguageTask.Conversation, ids, ids);
    }

    private static TrainingSample Pictured(int width, int height)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(width + height).NextBytes(pixels);
        ImagePatches patches = OmniModelParityTests.Config.Vision.CreateImageProcessor().Process(new RgbImage(width, height, pixels));
        return new TrainingSample(
            LanguageTask.Picture, [3, ImagePlaceholder.Id, 4, 5, 6], [Ignore, Ignore, Ignore, 5, 6], new ReadPicture(patches, patches.Count / 4));
    }
}
