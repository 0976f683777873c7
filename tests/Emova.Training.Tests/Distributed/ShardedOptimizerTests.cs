using Emova.Training.Distributed;
using Emova.Training.Infrastructure;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Emova.Training.Tests.Distributed;

/// <summary>Several ranks, each with part of the optimizer state, compute what one process computes, bit for bit.</summary>
public sealed class ShardedOptimizerTests : IDisposable
{
    private const int Steps = 4;

    private static readonly (string Name, long[] Shape)[] Shapes = [("wide", [70, 130]), ("bias", [33]), ("frozen", [9, 5]), ("rare", [4100]), ("deep", [3, 17])];

    private readonly string _folder = Directory.CreateTempSubdirectory("emova-shards").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Ranks_give_the_same_bytes_as_one_process(int ranks)
    {
        float[] alone = Train(ProcessGroup.Alone, ranks, 0, Steps, null, null);
        foreach (float[] together in ThreadGroup.Run(ranks, group => Train(group, ranks, 0, Steps, null, null))) Assert.Equal(alone, together);
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(3, 1)]
    [InlineData(2, 6)]
    public void State_saved_by_some_ranks_is_continued_by_others(int before, int after)
    {
        // Six batches per update: sums of two or three are made first on some numbers of ranks, so equal within rounding.
        const int Batches = 6;
        float[] straight = Train(ProcessGroup.Alone, Batches, 0, Steps, null, null);
        string file = Path.Combine(_folder, $"{before}-{after}");
        Ranks(before, group => Train(group, Batches, 0, 2, null, file));
        foreach (float[] continued in Ranks(after, group => Train(group, Batches, 2, Steps, file, null)))
            Assert.All(straight.Zip(continued), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
    }

    [Fact]
    public void Shards_cover_everything_once_and_are_of_equal_size()
    {
        ParameterStore store = Create();
        ParameterShards[] shards = ThreadGroup.Run(3, group => new ParameterShards(store, group));
        foreach (int tensor in Enumerable.Range(0, Shapes.Length))
        {
            Slice[] slices = [.. shards.SelectMany(s => s.Own).Where(s => s.Tensor == tensor).OrderBy(s => s.Start)];
            Assert.Equal(0, slices[0].Start);
            Assert.All(slices.Zip(slices[1..]), pair => Assert.Equal(pair.First.Start + pair.First.Length, pair.Second.Start));
            Assert.Equal(store.Parameters[tensor].Value.numel(), slices[^1].Start + slices[^1].Length);
        }
        int[] pieces =
        [
            .. shards.Select(s => s.Own.Where(slice => store.Parameters[slice.Tensor].Value.requires_grad)
                .Sum(slice => (slice.Length + ParameterShards.Piece - 1) / ParameterShards.Piece)),
        ];
        Assert.True(pieces.Max() - pieces.Min() <= 1, string.Join(", ", pieces));
    }

    [Fact]
    public void A_gradient_that_is_not_finite_on_one_rank_is_skipped_by_all()
    {
        (double Norm, float[] Before, float[] After)[] results = ThreadGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            ParameterStore store = Create();
            AdamW optimizer = new(store, group: group);
            Backward(store, 0, 1, broken: group.Rank == 1);
            float[] before = All(store);
            return (optimizer.Step(0.1, 1), before, All(store));
        });
        Assert.All(results, result => Assert.False(double.IsFinite(result.Norm)));
        Assert.All(results, result => Assert.Equal(result.Before, result.After));
    }

    private static T[] Ranks<T>(int ranks, Func<ProcessGroup, T> work) => ranks == 1 ? [work(ProcessGroup.Alone)] : ThreadGroup.Run(ranks, work);

    private static float[] Train(ProcessGroup group, int batches, int from, int to, string? load, string? save)
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterStore store = Create();
        AdamW optimizer = new(store, group: group);
        if (load is not null)
        {
            store.Load(load + ".weights");
            optimizer.Load(load + ".state");
        }
        for (int step = from; step < to; step++)
        {
            optimizer.ZeroGradients();
            for (int batch = batches * group.Rank / group.Size; batch < batches * (group.Rank + 1) / group.Size; batch++)
                Backward(store, (step * batches) + batch, batches, broken: false);
            optimizer.Step(0.05, 0.5);
        }
        if (save is not null)
        {
            optimizer.Collect();
            if (group.IsFirst)
            {
                store.Save(save + ".weights");
                optimizer.Save(save + ".state");
            }
        }
        return All(store);
    }

    /// <summary>"rare" has a gradient in the first batch of all and in every fifth.</summary>
    private static void Backward(ParameterStore store, int batch, int batches, bool broken)
    {
        Tensor loss = zeros(1);
        for (int i = 0; i < Shapes.Length; i++)
        {
            Tensor parameter = store.Parameters[i].Value;
            if (!parameter.requires_grad || (Shapes[i].Name == "rare" && batch % 5 != 0)) continue;
            Tensor target = tensor(Noise(100 + (batch * 31) + i, (int)parameter.numel()), Shapes[i].Shape);
            loss = loss.add((parameter - target).pow(2).sum());
        }
        (loss * ((broken ? float.NaN : 1f) / batches)).backward();
    }

    private static ParameterStore Create()
    {
        ParameterStore store = new();
        foreach ((string name, long[] shape) in Shapes)
        {
            Tensor parameter = store.Root.Full(name, 0, shape);
            Noise(shape.Length + (int)shape[0], (int)parameter.numel()).CopyTo(ParameterStore.Values(parameter));
            if (name == "frozen") parameter.requires_grad = false;
        }
        return store;
    }

    private static float[] Noise(int seed, int count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }

    private static float[] All(ParameterStore store) => [.. store.Parameters.SelectMany(pair => ParameterStore.Values(pair.Value).ToArray())];
}
