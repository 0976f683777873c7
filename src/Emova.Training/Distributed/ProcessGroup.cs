using System.Text.Json;
using System.Text.Json.Serialization;

namespace Emova.Training.Distributed;

/// <summary>
/// The processes ("ranks") that train one model together. Every operation is collective: all ranks call the same ones in the same order.
/// Nothing here adds numbers; sums are made by <see cref="ParameterShards"/> in the order of the ranks, so that they are the same bytes in
/// every run, whatever the network does.
/// </summary>
public abstract class ProcessGroup : IDisposable
{
    private static readonly JsonSerializerOptions Exact = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>A process on its own.</summary>
    public static ProcessGroup Alone { get; } = new OneProcess();

    /// <summary>The group this process was started in; <see cref="Alone"/> unless <see cref="Join"/> found others.</summary>
    public static ProcessGroup World { get; private set; } = Alone;

    /// <summary>Number of this process, 0 to <see cref="Size"/> - 1. Rank 0 writes files and talks.</summary>
    public abstract int Rank { get; }

    /// <summary>Number of processes.</summary>
    public abstract int Size { get; }

    /// <summary>Whether this process writes files and progress for all.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Joins the processes that mpirun or srun started beside this one; without them nothing happens.</summary>
    /// <exception cref="EmovaException">There are others, but Open MPI's library is missing or does not start.</exception>
    public static void Join()
    {
        if (World != Alone || !MpiProcessGroup.IsLaunched) return;
        World = MpiProcessGroup.Start();
        if (!World.IsFirst) Console.SetOut(TextWriter.Null);
    }

    /// <summary>Sends a piece to every rank and receives one from each. The piece for or from rank j is at j * <paramref name="stride"/>.</summary>
    /// <param name="send">the pieces to send</param>
    /// <param name="counts">their lengths</param>
    /// <param name="receive">where the pieces of the others go, and the own one</param>
    /// <param name="expected">length of every piece received</param>
    /// <param name="stride">room of a piece</param>
    public abstract void Exchange(float[] send, int[] counts, float[] receive, int expected, int stride);

    /// <summary>Gives every rank the values of all: those of rank j at j * <paramref name="stride"/>.</summary>
    /// <param name="mine">values of this rank</param>
    /// <param name="all">values of all</param>
    /// <param name="counts">how many values each rank has</param>
    /// <param name="stride">room of a rank's values</param>
    public abstract void Gather(float[] mine, float[] all, int[] counts, int stride);

    /// <summary>Gives every rank the bytes of all, by rank; their lengths may differ.</summary>
    public abstract byte[][] Gather(byte[] mine);

    /// <summary>Ends all processes of the group at once, because this one cannot go on.</summary>
    public abstract void Abort(int code);

    /// <summary>Gives every rank the values of all, by rank.</summary>
    public T[] Gather<T>(T mine) => Size == 1
        ? [mine]
        : [.. Gather(JsonSerializer.SerializeToUtf8Bytes(mine, Exact)).Select(bytes => JsonSerializer.Deserialize<T>(bytes, Exact)!)];

    /// <summary>What rank 0 computes, on every rank; the others wait.</summary>
    public T FromFirst<T>(Func<T> compute) => Gather(IsFirst ? compute() : default!)[0];

    /// <summary>Runs what leaves files behind on rank 0 first; the others then find them.</summary>
    public T FirstThenOthers<T>(Func<T> make)
    {
        if (!IsFirst) Wait();
        T made = make();
        if (IsFirst) Wait();
        return made;
    }

    /// <summary>Waits for all.</summary>
    public void Wait()
    {
        if (Size > 1) Gather([]);
    }

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);

    private sealed class OneProcess : ProcessGroup
    {
        public override int Rank => 0;

        public override int Size => 1;

        public override void Exchange(float[] send, int[] counts, float[] receive, int expected, int stride) => Array.Copy(send, receive, expected);

        public override void Gather(float[] mine, float[] all, int[] counts, int stride) => Array.Copy(mine, all, counts[0]);

        public override byte[][] Gather(byte[] mine) => [mine];

        public override void Abort(int code)
        {
            // Nobody waits for this process.
        }
    }
}
