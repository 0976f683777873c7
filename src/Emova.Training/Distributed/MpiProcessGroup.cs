using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Emova.Training.Distributed;

/// <summary>Processes started by Open MPI's mpirun, or by srun with PMIx, on one machine or several.</summary>
internal sealed class MpiProcessGroup : ProcessGroup
{
    /// <summary>Longer than any evaluation or checkpoint that the first rank makes while the others wait.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromHours(2);

    /// <summary>So long an answer is asked for without pause; then the core is offered to others; then the process sleeps in between.</summary>
    private static readonly TimeSpan Eager = TimeSpan.FromMilliseconds(0.1), Awake = TimeSpan.FromMilliseconds(2);

    private readonly int[] _counts;
    private readonly int[] _offsets;
    private bool _ended;

    private MpiProcessGroup()
    {
        OpenMpi.Load();
        Check(OpenMpi.InitThread(IntPtr.Zero, IntPtr.Zero, OpenMpi.ThreadSerialized, out int provided), "start");
        if (provided < OpenMpi.ThreadSerialized) throw new EmovaException($"Open MPI gives thread level {provided}; {OpenMpi.ThreadSerialized} is needed");
        Check(OpenMpi.SetErrorHandler(OpenMpi.World, OpenMpi.ErrorsReturn), "error handler");
        Check(OpenMpi.CommRank(OpenMpi.World, out int rank), "rank");
        Check(OpenMpi.CommSize(OpenMpi.World, out int size), "size");
        (Rank, Size) = (rank, size);
        (_counts, _offsets) = (new int[size], new int[size]);
    }

    /// <summary>Whether the environment says that this process is one of several.</summary>
    public static bool IsLaunched
    {
        get
        {
            bool openMpi = Has("OMPI_COMM_WORLD_SIZE") || Has("PMIX_RANK");
            if (!openMpi && Has("PMI_SIZE") && Environment.GetEnvironmentVariable("PMI_SIZE") != "1")
                throw new EmovaException("PMI_SIZE is set: started by another MPI; use the mpirun of Open MPI 4 (Debian: openmpi-bin), or srun --mpi=pmix");
            return openMpi;
        }
    }

    public override int Rank { get; }

    public override int Size { get; }

    public static ProcessGroup Start() => new MpiProcessGroup();

    public override unsafe void Exchange(float[] send, int[] counts, float[] receive, int expected, int stride)
    {
        for (int i = 0; i < Size; i++) (_counts[i], _offsets[i]) = (expected, i * stride);
        fixed (float* from = send, to = receive)
        fixed (int* sent = counts, received = _counts, offsets = _offsets)
        {
            Check(OpenMpi.StartAllToAll(from, sent, offsets, OpenMpi.Float, to, received, offsets, OpenMpi.Float, OpenMpi.World, out IntPtr request), "all-to-all");
            Complete(request, "all-to-all");
        }
    }

    public override unsafe void Gather(float[] mine, float[] all, int[] counts, int stride)
    {
        for (int i = 0; i < Size; i++) _offsets[i] = i * stride;
        fixed (float* from = mine, to = all)
        fixed (int* received = counts, offsets = _offsets) GatherAny(from, counts[Rank], to, received, offsets, OpenMpi.Float);
    }

    public override unsafe byte[][] Gather(byte[] mine)
    {
        // The lengths first, four bytes from each.
        byte[] length = BitConverter.GetBytes(mine.Length), lengths = new byte[sizeof(int) * Size];
        for (int i = 0; i < Size; i++) (_counts[i], _offsets[i]) = (sizeof(int), i * sizeof(int));
        fixed (byte* from = length, to = lengths)
        fixed (int* received = _counts, offsets = _offsets) GatherAny(from, sizeof(int), to, received, offsets, OpenMpi.Byte);

        int total = 0;
        for (int i = 0; i < Size; i++)
        {
            (_counts[i], _offsets[i]) = (BitConverter.ToInt32(lengths, i * sizeof(int)), total);
            total = checked(total + _counts[i]);
        }
        byte[] all = new byte[total];
        fixed (byte* from = mine, to = all)
        fixed (int* received = _counts, offsets = _offsets) GatherAny(from, mine.Length, to, received, offsets, OpenMpi.Byte);
        return [.. Enumerable.Range(0, Size).Select(i => all[_offsets[i]..(_offsets[i] + _counts[i])])];
    }

    public override void Abort(int code)
    {
        if (_ended) return;
        _ended = true;
        _ = OpenMpi.Abort(OpenMpi.World, code);
    }

    public override void Dispose()
    {
        base.Dispose();
        if (_ended) return;
        _ended = true;
        _ = OpenMpi.Finish();
    }

    private static bool Has(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));

    private static unsafe void GatherAny(void* from, int count, void* to, int* counts, int* offsets, IntPtr type)
    {
        Check(OpenMpi.StartAllGather(from, count, type, to, counts, offsets, type, OpenMpi.World, out IntPtr request), "all-gather");
        Complete(request, "all-gather");
    }

    /// <summary>
    /// Waits without taking a core from whoever the answer depends on: with as many processes as cores, and the garbage collector and the
    /// data loader beside them, that is often the neighbor.
    /// </summary>
    private static void Complete(IntPtr request, string what)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            Check(OpenMpi.Test(ref request, out int done, IntPtr.Zero), what);
            if (done != 0) return;
            TimeSpan waited = Stopwatch.GetElapsedTime(start);
            if (waited > Patience) throw new EmovaException($"no word from the other processes for {Patience.TotalHours:F0} hours ({what})");
            if (waited > Awake) Thread.Sleep(1);
            else if (waited > Eager) Thread.Yield();
        }
    }

    private static unsafe void Check(int code, string what)
    {
        if (code == 0) return;
        byte* text = stackalloc byte[256]; // MPI_MAX_ERROR_STRING
        string reason = OpenMpi.ErrorString(code, text, out int length) == 0 ? Marshal.PtrToStringUTF8((IntPtr)text, length) : $"code {code}";
        throw new EmovaException($"Open MPI, {what}: {reason}");
    }
}
