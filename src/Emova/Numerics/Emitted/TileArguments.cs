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

    /// <summary>The first tile of four rows of input, or the first row.</summary>
    public byte* X;

    /// <summary>The second tile of four rows.</summary>
    public byte* SecondX;

    /// <summary>Receives the sums: 16 floats per row, or with two panels 32.</summary>
    public float* Y;

    /// <summary>Bytes from row to row of <see cref="Y"/>.</summary>
    public nint YStride;

    /// <summary>Steps along the inputs, of a tap.</summary>
    public nint Count;

    /// <summary>The low half of each byte.</summary>
    public ulong LowHalves;

    /// <summary>Bytes from the first panel to the second.</summary>
    public nint WeightDistance;

    /// <summary>Bytes from one pair of inputs of a panel to the next.</summary>
    public nint WeightAdvance;

    /// <summary>Bytes from row to row of <see cref="X"/>.</summary>
    public nint XStride;

    /// <summary>Taps; counted down to 0.</summary>
    public nint Taps;

    /// <summary>Bytes from the end of a row's inputs of one tap to the beginning of the next.</summary>
    public nint TapAdvance;

    /// <summary>Room for counting steps.</summary>
    public nint Counter;

    /// <summary>What the sums of every row of a group begin with: 16 floats. With two panels, that stands in the first row of <see cref="Y"/>.</summary>
    public float* Bias;

    /// <summary>Where a field lies.</summary>
    public static int OffsetOf(string field) => (int)Marshal.OffsetOf<TileArguments>(field);
}
