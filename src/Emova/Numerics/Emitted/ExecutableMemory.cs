using System.IO.MemoryMappedFiles;

namespace Emova.Numerics.Emitted;

/// <summary>
/// Machine code in memory that is never writable and executable at once: the code is written through one view of a mapping and run
/// through another.
/// </summary>
internal sealed unsafe class ExecutableMemory
{
    // Kept: the pointer is valid as long as the view lives.
    private readonly MemoryMappedViewAccessor view;

    private ExecutableMemory(MemoryMappedViewAccessor view)
    {
        this.view = view;
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        Pointer = start + view.PointerOffset;
    }

    /// <summary>The first byte of the code.</summary>
    public byte* Pointer { get; }

    /// <summary>Makes code executable; null where the system does not allow it.</summary>
    public static ExecutableMemory? TryCreate(ReadOnlySpan<byte> code)
    {
        try
        {
            using MemoryMappedFile mapping = MemoryMappedFile.CreateNew(null, code.Length, MemoryMappedFileAccess.ReadWriteExecute);
            using (MemoryMappedViewStream writable = mapping.CreateViewStream(0, code.Length, MemoryMappedFileAccess.ReadWrite))
                writable.Write(code);
            return new ExecutableMemory(mapping.CreateViewAccessor(0, code.Length, MemoryMappedFileAccess.ReadExecute));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or PlatformNotSupportedException or NotSupportedException)
        {
            return null;
        }
    }
}
