using System.Runtime.InteropServices;

namespace Emova.Numerics.Emitted;

/// <summary>
/// All that an emitted kernel is told: one pointer to this structure is its only argument, so the calling conventions of Windows and of
/// everything else differ in one register.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileArguments
{
    /// <summary>The first record of a group of 16 outputs, or the first panel.</summary>
    public byte* Weight;

    /// <summary>The first tile of four rows of input, or the one row.</summary>
    public byte* X;

    /// <summary>The second tile of four rows.</summary>
    public byte* SecondX;

    /// <summary>Holds the start of the sums, the bias, and receives the sums: 16 floats per row.</summary>
    public float* Y;

    /// <summary>Bytes from row to row of <see cref="Y"/>.</summary>
    public nint YStride;

    /// <summary>Steps of the kernel along the inputs.</summary>
    public nint Count;

    /// <summary>The low half of each byte.</summary>
    public ulong LowHalves;

    /// <summary>Where a field lies.</summary>
    public static int OffsetOf(string field) => (int)Marshal.OffsetOf<TileArguments>(field);
}
