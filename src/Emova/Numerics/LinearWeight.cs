using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>
/// A matrix W (outputs, inputs) with an optional bias, packed for y = W x + b. Outputs are grouped in panels of 16, each
/// panel stored as [inputs][16], so that one input element meets 16 neighboring weights. Every output element is
/// accumulated over the inputs in ascending order with fused multiply-adds starting from the bias, whatever the number
/// of rows, the vector width or the number of threads: streamed and batched evaluation agree bit for bit.
/// </summary>
public sealed unsafe class LinearWeight
{
    internal const int PanelWidth = 16;

    // Below this many multiply-adds waking the team costs more than it saves.
    private const long ParallelThreshold = 1L << 17;
    private const int RowsPerBlock = 64;
    private const int PanelsPerBlock = 8;

    private readonly float[] panels;
    private readonly float[] bias;

    private LinearWeight(float[] panels, float[] bias, int outputs, int inputs)
    {
        this.panels = panels;
        this.bias = bias;
        Outputs = outputs;
        Inputs = inputs;
    }

    /// <summary>Number of rows of W.</summary>
    public int Outputs { get; }

    /// <summary>Number of columns of W.</summary>
    public int Inputs { get; }

    /// <summary>Bytes held by the packed weight and bias.</summary>
    public long SizeInBytes => (panels.LongLength + bias.LongLength) * sizeof(float);

    /// <summary>Packs a row-major matrix.</summary>
    /// <param name="weight">(outputs, inputs), row-major.</param>
    /// <param name="outputs">Number of outputs, at least 1.</param>
    /// <param name="inputs">Number of inputs, at least 1.</param>
    /// <param name="bias">One value per output, or empty for none.</param>
    /// <exception cref="ArgumentException">A span does not have the stated shape.</exception>
    public static LinearWeight Pack(ReadOnlySpan<float> weight, int outputs, int inputs, ReadOnlySpan<float> bias = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        if (weight.Length != (long)outputs * inputs)
            throw new ArgumentException($"weight has {weight.Length} values, expected {outputs} x {inputs}", nameof(weight));
        if (!bias.IsEmpty && bias.Length != outputs)
            throw new ArgumentException($"bias has {bias.Length} values, expected {outputs} or none", nameof(bias));

        int panelCount = (outputs + PanelWidth - 1) / PanelWidth;
        // Pinned once here, so that a product needs no handle per call.
        float[] packed = GC.AllocateUninitializedArray<float>(checked(panelCount * inputs * PanelWidth), pinned: true);
        float[] packedBias = GC.AllocateArray<float>(panelCount * PanelWidth, pinned: true);
        bias.CopyTo(packedBias);
        for (int panel = 0; panel < panelCount; panel++)
        {
            Span<float> target = packed.AsSpan(panel * inputs * PanelWidth, inputs * PanelWidth);
            target.Clear();
            int lanes = Math.Min(PanelWidth, outputs - panel * PanelWidth);
            for (int lane = 0; lane < lanes; lane++)
            {
                ReadOnlySpan<float> row = weight.Slice((panel * PanelWidth + lane) * inputs, inputs);
                for (int k = 0; k < row.Length; k++) target[k * PanelWidth + lane] = row[k];
            }
        }

        return new LinearWeight(packed, packedBias, outputs, inputs);
    }

    /// <summary>Copies row <paramref name="output"/> of W, so that a tied output head also serves as the embedding table.</summary>
    /// <param name="output">Row, 0 to Outputs - 1.</param>
    /// <param name="row">Receives Inputs values.</param>
    public void CopyRow(int output, Span<float> row)
    {
        if ((uint)output >= (uint)Outputs) throw new ArgumentOutOfRangeException(nameof(output), output, $"rows are 0 to {Outputs - 1}");
        ReadOnlySpan<float> panel = panels.AsSpan(output / PanelWidth * Inputs * PanelWidth, Inputs * PanelWidth);
        for (int i = 0; i < Inputs; i++)
            row[i] = panel[i * PanelWidth + output % PanelWidth];
    }

    /// <summary>y[r] = W x[r] + b for every row r. Rows of x may overlap, which makes a convolution without dilation over
    /// (T, C) data one call with <paramref name="rowStride"/> = stride * C and inputs = kernel * C.</summary>
    /// <param name="x">Input; row r starts at r * <paramref name="rowStride"/>.</param>
    /// <param name="rows">Number of rows, may be 0.</param>
    /// <param name="rowStride">Distance of two input rows in floats.</param>
    /// <param name="y">Output; row r starts at r * <paramref name="yStride"/>. Must not overlap x.</param>
    /// <param name="yStride">Distance of two output rows in floats, at least <see cref="Outputs"/>.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    /// <exception cref="ArgumentException">A span is too short for the rows asked for.</exception>
    public void Multiply(ReadOnlySpan<float> x, int rows, int rowStride, Span<float> y, int yStride, WorkerTeam? team = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (rows == 0) return;
        if (rowStride < 0 || x.Length < (long)(rows - 1) * rowStride + Inputs)
            throw new ArgumentException($"x has {x.Length} values, too few for {rows} rows of {Inputs} at stride {rowStride}", nameof(x));
        if ((yStride < Outputs && rows > 1) || y.Length < (long)(rows - 1) * yStride + Outputs)
            throw new ArgumentException($"y has {y.Length} values, too few for {rows} rows of {Outputs} at stride {yStride}", nameof(y));

        fixed (float* xPointer = x, yPointer = y)
        {
            Body body = new()
            {
                Operands = new PanelOperands
                {
                    Weight = (float*)Marshal.UnsafeAddrOfPinnedArrayElement(panels, 0),
                    Bias = (float*)Marshal.UnsafeAddrOfPinnedArrayElement(bias, 0),
                    X = xPointer,
                    Y = yPointer,
                    XStride = rowStride,
                    YStride = yStride,
                    Inputs = Inputs,
                    Outputs = Outputs,
                },
                Rows = rows,
                Panels = bias.Length / PanelWidth,
            };
            body.PanelBlocks = (body.Panels + PanelsPerBlock - 1) / PanelsPerBlock;
            int blocks = body.PanelBlocks * ((rows + RowsPerBlock - 1) / RowsPerBlock);
            if ((long)rows * Outputs * Inputs < ParallelThreshold) body.Execute(0, blocks);
            else (team ?? WorkerTeam.Shared).For(blocks, body);
        }
    }

    private struct Body : IWorkerBody
    {
        public PanelOperands Operands;
        public int Rows;
        public int Panels;
        public int PanelBlocks;

        public readonly void Execute(int start, int limit)
        {
            for (int block = start; block < limit; block++)
            {
                int rowStart = block / PanelBlocks * RowsPerBlock;
                int rowEnd = Math.Min(rowStart + RowsPerBlock, Rows);
                int panelStart = block % PanelBlocks * PanelsPerBlock;
                int panelEnd = Math.Min(panelStart + PanelsPerBlock, Panels);
                if (Vector512.IsHardwareAccelerated)
                    PanelKernel<Lanes512, Vector512<float>>.Run(Operands, rowStart, rowEnd, panelStart, panelEnd);
                else if (Vector256.IsHardwareAccelerated)
                    PanelKernel<Lanes256, Vector256<float>>.Run(Operands, rowStart, rowEnd, panelStart, panelEnd);
                else if (Vector128.IsHardwareAccelerated)
                    PanelKernel<Lanes128, Vector128<float>>.Run(Operands, rowStart, rowEnd, panelStart, panelEnd);
                else
                    PanelKernel<LanesScalar, float>.Run(Operands, rowStart, rowEnd, panelStart, panelEnd);
            }
        }
    }
}
