using System.Runtime.InteropServices;

namespace Emova.Training.Distributed;

/// <summary>
/// The functions of Open MPI 4 in use (Debian: libopenmpi3, version 4.1.4). Its handles are addresses of exported objects. Only functions
/// that do not wait are used for communication, because Open MPI's own waiting keeps a core busy.
/// </summary>
internal static partial class OpenMpi
{
    /// <summary>One thread at a time calls the library, not always the same.</summary>
    public const int ThreadSerialized = 2;

    private const string Library = "libmpi.so.40";

    private static IntPtr _library;

    public static IntPtr World { get; private set; }

    public static IntPtr Float { get; private set; }

    public static IntPtr Byte { get; private set; }

    public static IntPtr ErrorsReturn { get; private set; }

    /// <summary>Loads the library.</summary>
    /// <exception cref="EmovaException">It is not installed.</exception>
    public static void Load(string library = Library)
    {
        if (_library != IntPtr.Zero) return;
        if (!NativeLibrary.TryLoad(library, out _library))
            throw new EmovaException($"{library}: not found; training in several processes needs Open MPI 4 on every machine (Debian: apt-get install openmpi-bin)");
        World = NativeLibrary.GetExport(_library, "ompi_mpi_comm_world");
        Float = NativeLibrary.GetExport(_library, "ompi_mpi_float");
        Byte = NativeLibrary.GetExport(_library, "ompi_mpi_byte");
        ErrorsReturn = NativeLibrary.GetExport(_library, "ompi_mpi_errors_return");
    }

    [LibraryImport(Library, EntryPoint = "MPI_Init_thread")]
    public static partial int InitThread(IntPtr argumentCount, IntPtr arguments, int required, out int provided);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_set_errhandler")]
    public static partial int SetErrorHandler(IntPtr communicator, IntPtr handler);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_rank")]
    public static partial int CommRank(IntPtr communicator, out int rank);

    [LibraryImport(Library, EntryPoint = "MPI_Comm_size")]
    public static partial int CommSize(IntPtr communicator, out int size);

    [LibraryImport(Library, EntryPoint = "MPI_Ialltoallv")]
    public static unsafe partial int StartAllToAll(
        float* send, int* sendCounts, int* sendOffsets, IntPtr sendType, float* receive, int* receiveCounts, int* receiveOffsets, IntPtr receiveType,
        IntPtr communicator, out IntPtr request);

    [LibraryImport(Library, EntryPoint = "MPI_Iallgatherv")]
    public static unsafe partial int StartAllGather(
        void* send, int sendCount, IntPtr sendType, void* receive, int* receiveCounts, int* receiveOffsets, IntPtr receiveType,
        IntPtr communicator, out IntPtr request);

    [LibraryImport(Library, EntryPoint = "MPI_Test")]
    public static partial int Test(ref IntPtr request, out int done, IntPtr status);

    [LibraryImport(Library, EntryPoint = "MPI_Error_string")]
    public static unsafe partial int ErrorString(int code, byte* text, out int length);

    [LibraryImport(Library, EntryPoint = "MPI_Abort")]
    public static partial int Abort(IntPtr communicator, int code);

    [LibraryImport(Library, EntryPoint = "MPI_Finalize")]
    public static partial int Finish();
}
