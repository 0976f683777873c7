using Emova.Training.Data;
using Emova.Training.Stages.Vision;
using Xunit;

namespace Emova.Training.Tests.Stages;

public sealed class SceneTargetsTests
{
    private static readonly SceneObject Cat = new("emoji", "cat", null, [0, 0, 56, 56]);
    private static readonly SceneObject Bar = new("bar", "bar", "red", [84, 28, 112, 84]);
    private static readonly SceneObject LowBar = new("bar", "bar", "blue", [56, 70, 70, 84]);
    private static readonly Scene Picture = new(112, 84, new SceneBackground([255, 255, 255], "plain", 1), [Cat, Bar, LowBar]);

    [Fact]
    public void Cells_tell_what_covers_them_and_where_its_center_lies()
    {
        SceneLabels labels = new([Picture]);
        SceneTargets targets = new(Picture, labels);
        Assert.Equal((3, 4), (targets.Rows, targets.Columns));
        int cat = labels.Concept(Cat), bar = labels.Concept(Bar);
        Assert.Equal([cat, cat, 0, 0, cat, cat, 0, bar, 0, 0, bar, bar], targets.Concept);
        Assert.Equal(labels.Color(Bar), targets.Color[7]);
        Assert.Equal(labels.Color(LowBar), targets.Color[10]);

        // The cat's center is the corner of four cells and belongs to the last of them: half a cell up and left of that cell's center.
        Assert.Equal([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1], targets.HoldsCenter);
        Assert.Equal([-0.5f, -0.5f, MathF.Log(2), MathF.Log(2)], targets.Box[20..24]);
        Assert.Equal(3, targets.Count);
        Assert.Equal((labels.Color(Bar), labels.Color(LowBar)), (targets.TallestBar, targets.ShortestBar));
    }

    [Fact]
    public void A_shifted_picture_has_shifted_targets()
    {
        SceneLabels labels = new([Picture]);
        SceneTargets moved = new(Picture, labels, shiftX: 28, shiftY: 0);
        Assert.Equal(labels.Concept(Cat), moved.Concept[2]);
        Assert.Equal(0, moved.Concept[0]);
    }

    [Fact]
    public void Augmentation_keeps_the_picture_recognizable_and_moves_it_exactly()
    {
        byte[] pixels = new byte[3 * 28 * 28];
        new Random(1).NextBytes(pixels);
        byte[] moved = PictureAugmentation.Move(pixels, 28, 28, 3, -2);
        Assert.Equal(pixels[(3 * ((10 * 28) + 10))..][..3], moved[(3 * ((8 * 28) + 13))..][..3]);

        byte[] red = [.. Enumerable.Range(0, 28 * 28).SelectMany(_ => new byte[] { 220, 30, 40 })];
        for (int seed = 0; seed < 50; seed++)
        {
            byte[] redrawn = (byte[])red.Clone();
            new PictureAugmentation(new Random(seed)).Redraw(redrawn, 28, 28);
            double[] mean = [.. Enumerable.Range(0, 3).Select(c => redrawn.Where((_, i) => i % 3 == c).Average(v => v))];
            Assert.True(mean[0] > mean[1] + 40 && mean[0] > mean[2] + 40, $"seed {seed}: {string.Join(" ", mean)}");
        }
    }
}
