using System.Runtime.InteropServices;

namespace Emova.Numerics.Emitted;

/// <summary>
/// Compares emitted kernels with the scalar reference, bit by bit, on small products of every kind of tile. Intrinsics give the same bits,
/// but would have to be compiled first.
/// </summary>
internal static unsafe class KernelCheck
{
    private const int Inputs = 3 * WeightLayout.RecordInputs, Outputs = 2 * WeightLayout.GroupRows;

    // A whole tile of eight, and one of four that is not full.
    private const int Rows = 3 * QuantizedRows.TileRows - 1;

    public static bool IntegersAgree(EmittedKernels kernels) => Agrees(kernels, WeightFormat.Int4) && Agrees(kernels, WeightFormat.Int8);

    public static bool PairsAgree(EmittedKernels kernels)
    {
        // Two tiles, taps that overlap, and fewer outputs than the panels have.
        const int rows = 13, outputs = 41, inputs = 10, taps = 3, frames = rows + taps - 1;
        byte[] weight = new byte[WeightLayout.SizeInBytes(WeightFormat.BFloat16Pairs, outputs, taps * inputs)];
        ushort[] x = new ushort[frames * inputs];
        float[] bias = new float[(outputs + 31) / 32 * 32], expected = new float[rows * outputs], actual = new float[rows * outputs];
        Random sequence = new();
        foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(weight.AsSpan())) value = BFloat16.FromSingle(sequence.Next(-1, 1));
        foreach (ref ushort value in x.AsSpan()) value = BFloat16.FromSingle(sequence.Next(-1, 1));
        foreach (ref float value in bias.AsSpan()) value = sequence.Next(-1, 1);
        fixed (byte* weightPointer = weight)
        fixed (ushort* xPointer = x)
        fixed (float* biasPointer = bias, expectedPointer = expected, actualPointer = actual)
        {
            PanelOperands operands = new()
            {
                Weight = weightPointer, PanelBytes = (nint)WeightLayout.PanelBytes(WeightFormat.BFloat16Pairs, taps * inputs), Bias = biasPointer, Rounded = xPointer, XStride = inputs, TapStride = inputs, Taps = taps,
                Inputs = inputs, Outputs = outputs, Y = expectedPointer, YStride = outputs,
            };
            PairKernel<LanesScalar, float>.Run(operands, 0, rows, 0, 2);
            operands.Y = actualPointer;
            kernels.RunPairs(operands, 0, rows, 0, 2);
        }

        return AreEqual(expected, actual);
    }

    private static bool Agrees(EmittedKernels kernels, WeightFormat format)
    {
        byte[] weight = new byte[WeightLayout.SizeInBytes(format, Outputs, Inputs)];
        int tiles = (Rows + QuantizedRows.TileRows - 1) / QuantizedRows.TileRows;
        float[] x = new float[Rows * Inputs], bias = new float[Outputs], expected = new float[Rows * Outputs], actual = new float[Rows * Outputs];
        Random sequence = new();
        foreach (ref byte code in weight.AsSpan()) code = (byte)sequence.Next(0, 256);
        foreach (ref float value in x.AsSpan()) value = sequence.Next(-1, 1);
        foreach (ref float value in bias.AsSpan()) value = sequence.Next(-1, 1);
        int recordBytes = WeightLayout.RecordBytes(format);
        for (int record = 0; record < weight.Length; record += recordBytes)
        {
            foreach (ref ushort scale in WeightLayout.ScalesOf(weight.AsSpan(record, recordBytes))) scale = BFloat16.FromSingle(sequence.Next(0.01f, 0.02f));
        }

        byte[] records = new byte[QuantizedRows.SizeInBytes(Rows, Inputs)];
        fixed (byte* weightPointer = weight, recordPointer = records)
        fixed (float* xPointer = x, biasPointer = bias, expectedPointer = expected, actualPointer = actual)
        {
            QuantizedRows.Write(xPointer, Rows, Inputs, Inputs, format == WeightFormat.Int4 ? 8 : 128, recordPointer);
            QuantizedOperands operands = new()
            {
                Weight = weightPointer, GroupBytes = weight.Length / (Outputs / WeightLayout.GroupRows), Bias = biasPointer, X = recordPointer, TileStride = records.Length / tiles,
                Y = expectedPointer, YStride = Outputs, Rows = Rows, Outputs = Outputs, Records = WeightLayout.Records(Inputs),
            };
            ScalarQuantizedKernel.Run(operands, format, 0, tiles, 0, Outputs / WeightLayout.GroupRows);
            operands.Y = actualPointer;
            kernels.Run(operands, format, 0, tiles, 0, Outputs / WeightLayout.GroupRows);
        }

        return AreEqual(expected, actual);
    }

    private static bool AreEqual(float[] a, float[] b) => MemoryMarshal.AsBytes<float>(a).SequenceEqual(MemoryMarshal.AsBytes<float>(b));

    /// <summary>The same numbers on every machine and in every version of the runtime.</summary>
    private sealed class Random
    {
        private uint state = 1;

        public float Next(float low, float high) => low + (high - low) * ((state = state * 1664525 + 1013904223) >> 8) / (1 << 24);
    }
}
