using Emova.Checkpoints;
using Xunit;

namespace Emova.Tests.Checkpoints;

public sealed class WeightLoaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<SafetensorsFile> open = [];

    public void Dispose()
    {
        open.ForEach(file => file.Dispose());
        folder.Dispose();
    }

    [Fact]
    public void PathsShardsAndOptionalNames()
    {
        WeightLoader root = new([
            File("1", TensorData.F32("model.layers.0.w", [2, 1], [1, 2]), TensorData.F32("model.training.x", [1], [0])),
            File("2", TensorData.F32("model.layers.1.w", [2, 1], [3, 4]), TensorData.F32("model.norm", [1], [5]))]);
        WeightLoader model = root.Push("model");
        Assert.Equal([1, 2], model.Push("layers").Push(0).Get("w", 2, 1));
        Assert.Equal([3, 4], model.Push("layers").Push(1).Get("w", 2, 1));
        Assert.Null(model.GetOptional("bias", 1));
        Assert.Equal([5], model.GetOptional("norm", 1)!);
        Assert.True(model.ContainsAny("training"));
        Assert.False(model.ContainsAny("train"));
        Assert.Equal([2, 1], model.ShapeOf("layers.1.w"));
        model.Ignore("training");
        root.Finish();
    }

    [Fact]
    public void FinishReportsEverythingThatDiffersInOneLine()
    {
        WeightLoader root = new([File("a", TensorData.F32("a.w", [2], [1, 2]), TensorData.F32("a.extra", [1], [0]), TensorData.F32("b.w", [1], [0]))]);
        Assert.Equal([0, 0, 0], root.Push("a").Get("w", 3));
        Assert.Equal([0], root.Push("a").Get("missing", 1));
        string message = Assert.Throws<EmovaException>(root.Push("a").Finish).Message;
        Assert.StartsWith(folder["a"], message);
        Assert.Contains("1 missing: a.missing [1]", message);
        Assert.Contains("1 wrong shape: a.w is [2], expected [3]", message);
        Assert.Contains("1 unexpected: a.extra [1]", message);
        Assert.DoesNotContain("b.w", message); // outside the path
        Assert.DoesNotContain('\n', message);
        Assert.Contains("b.w", Assert.Throws<EmovaException>(root.Finish).Message);
    }

    [Fact]
    public void HugeMissingTensorsAreReportedWithoutAllocatingThem()
    {
        WeightLoader root = new([File("a", TensorData.F32("w", [1], [1]))]);
        string message = Assert.Throws<EmovaException>(() => root.Get("embed", 1L << 40, 1L << 40)).Message;
        Assert.Contains("1 missing: embed", message);
        Assert.DoesNotContain("unexpected", message);
    }

    [Fact]
    public void OneTensorInTwoShardsIsRefused()
    {
        SafetensorsFile first = File("1", TensorData.F32("w", [1], [1])), second = File("2", TensorData.F32("w", [1], [1]));
        Assert.Contains("already in", Assert.Throws<EmovaException>(() => new WeightLoader([first, second])).Message);
    }

    private SafetensorsFile File(string name, params TensorData[] tensors)
    {
        SafetensorsWriter.Write(folder[name], tensors);
        open.Add(SafetensorsFile.Open(folder[name]));
        return open[^1];
    }
}
