using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Emova.Numerics.Emitted;

/// <summary>Compares emitted kernels with the intrinsics, bit by bit, on small products of every kind of tile. Takes about a millisecond.</summary>
internal static unsafe class KernelCheck
{
    private const int Inputs = 3 * WeightLayout.RecordInputs, Outputs = 2 * WeightLayout.GroupRows;

    // One row, a whole tile of eight, one of four and one that is not full.
    private static ReadOnlySpan<int> RowCounts => [1, 2 * QuantizedRows.TileRows, 3 * QuantizedRows.TileRows + 3];

    public static bool Passes(EmittedKernels kernels)
    {
        foreach (WeightFormat format in (ReadOnlySpan<WeightFormat>)[WeightFormat.Int4, WeightFormat.Int8])
        {
            foreach (int rows in RowCounts)
            {
                if (!Agrees(kernels, format, rows)) return false;
            }
        }

        return true;
    }

    private static bool Agrees(EmittedKernels kernels, WeightFormat format, int rows)
    {
        byte[] weight = new byte[WeightLayout.SizeInBytes(format, Outputs, Inputs)];
        int tileRows = Math.Min(rows, QuantizedRows.TileRows), tiles = (rows + tileRows - 1) / tileRows;
        float[] x = new float[rows * Inputs], bias = new float[Outputs], expected = new float[rows * Outputs], actual = new float[rows * Outputs];
        // A multiplicative sequence: every code occurs.
        uint state = 1;
        float Next() => ((state = state * 1664525 + 1013904223) >> 8) / (float)(1 << 24);
        foreach (ref byte code in weight.AsSpan()) code = (byte)(256 * Next());
        foreach (ref float value in x.AsSpan()) value = 2 * Next() - 1;
        foreach (ref float value in bias.AsSpan()) value = 2 * Next() - 1;
        int recordBytes = WeightLayout.RecordBytes(format);
        for (int record = 0; record < weight.Length; record += recordBytes)
        {
            foreach (ref ushort scale in WeightLayout.ScalesOf(weight.AsSpan(record, recordBytes))) scale = BFloat16.FromSingle(0.01f + 0.01f * Next());
        }

        byte[] records = new byte[QuantizedRows.SizeInBytes(rows, Inputs)];
        fixed (byte* weightPointer = weight, recordPointer = records)
        fixed (float* xPointer = x, biasPointer = bias, expectedPointer = expected, actualPointer = actual)
        {
            QuantizedRows.Write(xPointer, rows, Inputs, Inputs, format == WeightFormat.Int4 ? 8 : 128, recordPointer);
            QuantizedOperands operands = new()
            {
                Weight = weightPointer, GroupBytes = weight.Length / (Outputs / WeightLayout.GroupRows), Bias = biasPointer, X = recordPointer, TileStride = records.Length / tiles,
                Y = expectedPointer, YStride = Outputs, Rows = rows, Outputs = Outputs, Records = WeightLayout.Records(Inputs),
            };
            QuantizedKernel<IntegerLanes512, Vector512<byte>>.Run(operands, format, 0, tiles, 0, Outputs / WeightLayout.GroupRows);
            operands.Y = actualPointer;
            kernels.Run(operands, format, 0, tiles, 0, Outputs / WeightLayout.GroupRows);
        }

        return MemoryMarshal.AsBytes<float>(expected).SequenceEqual(MemoryMarshal.AsBytes<float>(actual));
    }
}
