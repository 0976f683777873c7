using Emova.Numerics;
using Xunit;

namespace Emova.Tests.Numerics;

public sealed class WorkerTeamTests
{
    [Fact]
    public void EveryItemIsProcessedExactlyOnceWhileTheThreadCountChanges()
    {
        using WorkerTeam team = new(1);
        for (int round = 0; round < 2000; round++)
        {
            team.ThreadCount = 1 + round / 50 % 4;
            int count = round % 97;
            int[] visits = new int[count];
            team.For(count, new CountVisits(visits));
            Assert.All(visits, v => Assert.Equal(1, v));
            if (round % 500 == 0) Thread.Sleep(5); // let the workers park
        }
    }

    [Fact]
    public void LoopsStartedFromManyThreadsAllFinish()
    {
        using WorkerTeam team = new(3);
        Parallel.For(0, 6, _ =>
        {
            for (int round = 0; round < 200; round++)
            {
                int[] visits = new int[64];
                team.For(64, new CountVisits(visits));
                Assert.All(visits, v => Assert.Equal(1, v));
            }
        });
    }

    [Fact]
    public void AnExceptionInABodyReachesTheCallerAndTheTeamStaysUsable()
    {
        using WorkerTeam team = new(3);
        for (int round = 0; round < 20; round++)
        {
            InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(() => team.For(64, new ThrowAt(37)));
            Assert.Equal("item 37", thrown.Message);
        }

        int[] visits = new int[10];
        team.For(10, new CountVisits(visits));
        Assert.All(visits, v => Assert.Equal(1, v));
    }

    [Fact]
    public void ALoopInsideALoopRunsOnItsCaller()
    {
        using WorkerTeam team = new(2);
        int[] visits = new int[64];
        team.For(8, new Nested(team, visits));
        Assert.All(visits, v => Assert.Equal(1, v));
    }

    [Fact]
    public void AStalledThreadHoldsBackItsOwnItemsOnly()
    {
        // Another program may take a thread's processor away in the middle of a loop; the rest of the loop must not wait for it.
        using WorkerTeam team = new(3);
        for (int round = 0; round < 20; round++)
        {
            using CountdownEvent others = new(64);
            int stalls = 0, timeouts = 0;
            team.For(64, new StallOnce(others, Environment.CurrentManagedThreadId, () => Interlocked.Increment(ref stalls) == 1, () => Interlocked.Increment(ref timeouts)));
            Assert.Equal(0, timeouts);
            Assert.True(others.IsSet);
        }
    }

    [Fact]
    public void ThreadCountBelowOneIsRefused() => Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerTeam(0));

    private readonly struct CountVisits(int[] visits) : IWorkerBody
    {
        public void Execute(int start, int limit)
        {
            for (int i = start; i < limit; i++) Interlocked.Increment(ref visits[i]);
        }
    }

    /// <summary>The first worker to come stays in its items until all others are done.</summary>
    private readonly struct StallOnce(CountdownEvent others, int caller, Func<bool> isFirst, Action onTimeout) : IWorkerBody
    {
        public void Execute(int start, int limit)
        {
            others.Signal(limit - start);
            if (Environment.CurrentManagedThreadId != caller && isFirst() && !others.Wait(TimeSpan.FromSeconds(30))) onTimeout();
        }
    }

    private readonly struct ThrowAt(int item) : IWorkerBody
    {
        public void Execute(int start, int limit)
        {
            if (item >= start && item < limit) throw new InvalidOperationException($"item {item}");
        }
    }

    private readonly struct Nested(WorkerTeam team, int[] visits) : IWorkerBody
    {
        public void Execute(int start, int limit)
        {
            for (int i = start; i < limit; i++)
            {
                int[] part = new int[8];
                team.For(8, new CountVisits(part));
                part.CopyTo(visits, i * 8);
            }
        }
    }
}
