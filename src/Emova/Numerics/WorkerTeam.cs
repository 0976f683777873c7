using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Emova.Numerics;

/// <summary>A data-parallel loop body. Make it a struct: it is passed by reference and never boxed.</summary>
public interface IWorkerBody
{
    /// <summary>Processes the items [start, limit). Called concurrently for disjoint ranges.</summary>
    void Execute(int start, int limit);
}

/// <summary>
/// A fixed set of threads for short data-parallel loops. The calling thread takes part; the others spin briefly for the
/// next loop and then park. A loop started while the team is busy (from another thread or from inside a body) simply
/// runs on its caller. No allocation per loop. Bodies must not depend on how the range is cut, so results never depend
/// on <see cref="ThreadCount"/>.
/// </summary>
public sealed unsafe class WorkerTeam : IDisposable
{
    // About 50 microseconds: longer than the gaps between the loops of one token, short enough to be a good neighbor.
    private const int SpinsBeforeParking = 200;
    private const int SpinLength = 8;
    private const int ChunksPerThread = 4;

    private readonly Lock resizing = new();
    private volatile Worker[] workers = [];
    private volatile int threadCount = 1;
    private volatile bool disposed;

    // The open loop. Written only by the thread that holds `busy`, while `open` is 0 and `inside` is 0.
    private delegate*<void*, int, int, void> invoke;
    private void* body;
    private int count;
    private int chunk;
    private int next;

    private int busy;
    private int open;
    private int inside;
    private Exception? failure;

    /// <summary>Creates a team.</summary>
    /// <param name="threadCount">Threads including the caller, at least 1.</param>
    public WorkerTeam(int threadCount) => ThreadCount = threadCount;

    /// <summary>The team used when none is given; as many threads as the process may use.</summary>
    public static WorkerTeam Shared { get; } = new(Environment.ProcessorCount);

    /// <summary>Threads taking part in a loop, including the caller; at least 1. May be changed between loops.</summary>
    public int ThreadCount
    {
        get => threadCount;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            lock (resizing)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                Worker[] current = workers;
                if (current.Length < value - 1)
                {
                    Worker[] grown = new Worker[value - 1];
                    current.CopyTo(grown, 0);
                    for (int i = current.Length; i < grown.Length; i++) grown[i] = new Worker(this, i);
                    workers = grown;
                    for (int i = current.Length; i < grown.Length; i++) grown[i].Start();
                }

                threadCount = value;
            }
        }
    }

    /// <summary>Calls <paramref name="loop"/> for disjoint ranges covering [0, count) and returns when all are done.</summary>
    /// <param name="count">Number of items, may be 0.</param>
    /// <param name="loop">The body; all threads share one copy of it.</param>
    /// <param name="minimumChunk">Smallest range worth handing to another thread.</param>
    public void For<TBody>(int count, in TBody loop, int minimumChunk = 1)
        where TBody : struct, IWorkerBody
    {
        if (count <= 0) return;
        // A copy on this stack: the other threads hold its address, which must not move.
        TBody local = loop;
        int threads = threadCount;
        if (threads == 1 || count <= minimumChunk || Interlocked.CompareExchange(ref busy, 1, 0) != 0)
        {
            local.Execute(0, count);
            return;
        }

        invoke = &Invoke<TBody>;
        body = Unsafe.AsPointer(ref local);
        this.count = count;
        chunk = Math.Max(minimumChunk, (count + threads * ChunksPerThread - 1) / (threads * ChunksPerThread));
        next = 0;
        failure = null;
        Interlocked.Exchange(ref open, 1);

        Worker[] helpers = workers;
        for (int i = 0; i < threads - 1 && i < helpers.Length; i++) helpers[i].Wake();
        TakeChunks();

        // Close first, then wait for those inside: a worker announces itself before it looks at `open`.
        Interlocked.Exchange(ref open, 0);
        SpinWait wait = default;
        while (Volatile.Read(ref inside) != 0) wait.SpinOnce(sleep1Threshold: -1);
        Exception? thrown = failure;
        Volatile.Write(ref busy, 0);
        if (thrown is not null) ExceptionDispatchInfo.Throw(thrown);
    }

    /// <summary>Ends the threads. Loops may no longer be started.</summary>
    public void Dispose()
    {
        lock (resizing)
        {
            if (disposed) return;
            disposed = true;
            threadCount = 1;
            Interlocked.MemoryBarrier();
            foreach (Worker worker in workers) worker.Wake();
        }
    }

    private static void Invoke<TBody>(void* body, int start, int end)
        where TBody : struct, IWorkerBody => Unsafe.AsRef<TBody>(body).Execute(start, end);

    private void TakeChunks()
    {
        try
        {
            while (true)
            {
                int start = Interlocked.Add(ref next, chunk) - chunk;
                // The second test catches the wrap-around of a counter near int.MaxValue.
                if (start >= count || start < 0) return;
                invoke(body, start, (int)Math.Min((long)start + chunk, count));
            }
        }
        catch (Exception exception)
        {
            // Handed to the caller of For; the remaining items are abandoned.
            Interlocked.CompareExchange(ref failure, exception, null);
            Volatile.Write(ref next, count);
        }
    }

    private void Help()
    {
        Interlocked.Increment(ref inside);
        if (Volatile.Read(ref open) != 0) TakeChunks();
        Interlocked.Decrement(ref inside);
    }

    private sealed class Worker(WorkerTeam team, int index)
    {
        private readonly object gate = new();
        private volatile bool parked;

        private bool IsCalled => (Volatile.Read(ref team.open) != 0 && index < team.threadCount - 1) || team.disposed;

        public void Start() => new Thread(Run) { IsBackground = true, Name = $"emova worker {index}" }.Start();

        public void Wake()
        {
            if (!parked) return;
            lock (gate)
            {
                parked = false;
                Monitor.Pulse(gate);
            }
        }

        private void Run()
        {
            int spins = 0;
            while (!team.disposed)
            {
                if (IsCalled)
                {
                    team.Help();
                    // What remains of this loop is in other hands: wait for it to close rather than announcing again.
                    for (spins = 0; Volatile.Read(ref team.open) != 0 && spins < SpinsBeforeParking; spins++) Thread.SpinWait(SpinLength);
                    spins = 0;
                }
                else if (spins++ < SpinsBeforeParking)
                {
                    Thread.SpinWait(SpinLength);
                }
                else
                {
                    Park();
                    spins = 0;
                }
            }
        }

        private void Park()
        {
            lock (gate)
            {
                parked = true;
                Interlocked.MemoryBarrier();
                // A loop or the end may have come between the last look and parking; its starter saw no one parked.
                if (IsCalled) parked = false;
                while (parked) Monitor.Wait(gate);
            }
        }
    }
}
