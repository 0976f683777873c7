using Xunit;
using Emova.Training.Distributed;

namespace Emova.Training.Tests.Distributed;

/// <summary>Ranks that are threads of one process: the arithmetic of several processes without Open MPI.</summary>
internal sealed class ThreadGroup : ProcessGroup
{
    private readonly Shared _shared;

    private ThreadGroup(Shared shared, int rank) => (_shared, Rank) = (shared, rank);

    public override int Rank { get; }

    public override int Size => _shared.Slots.Length;

    /// <summary>Runs every rank in a thread of its own and returns their results.</summary>
    public static T[] Run<T>(int ranks, Func<ProcessGroup, T> work)
    {
        using Shared shared = new(ranks);
        return Task.WhenAll(Enumerable.Range(0, ranks).Select(rank =>
            Task.Factory.StartNew(() => work(new ThreadGroup(shared, rank)), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))).GetAwaiter().GetResult();
    }

    public override void Exchange(float[] send, int[] counts, float[] receive, int expected, int stride)
    {
        object[] all = Swap((send, (int[])counts.Clone()));
        for (int rank = 0; rank < Size; rank++)
        {
            (float[] theirs, int[] theirCounts) = ((float[], int[]))all[rank];
            Assert.Equal(expected, theirCounts[Rank]);
            Array.Copy(theirs, Rank * stride, receive, rank * stride, expected);
        }
        Swap(null!);
    }

    public override void Gather(float[] mine, float[] all, int[] counts, int stride)
    {
        object[] theirs = Swap(mine);
        for (int rank = 0; rank < Size; rank++) Array.Copy((float[])theirs[rank], 0, all, rank * stride, counts[rank]);
        Swap(null!);
    }

    public override byte[][] Gather(byte[] mine) => [.. Swap(mine).Cast<byte[]>()];

    public override void Abort(int code) => throw new InvalidOperationException($"aborted with {code}");

    private object[] Swap(object mine)
    {
        _shared.Slots[Rank] = mine;
        Assert.True(_shared.Barrier.SignalAndWait(TimeSpan.FromMinutes(2)), "the ranks do not call the same operations");
        object[] all = [.. _shared.Slots];
        Assert.True(_shared.Barrier.SignalAndWait(TimeSpan.FromMinutes(2)), "the ranks do not call the same operations");
        return all;
    }

    private sealed class Shared(int ranks) : IDisposable
    {
        public object[] Slots { get; } = new object[ranks];

        public Barrier Barrier { get; } = new(ranks);

        public void Dispose() => Barrier.Dispose();
    }
}
