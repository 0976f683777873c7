using System.Runtime.Intrinsics;
using Emova.Numerics.Emitted;

namespace Emova.Numerics;

/// <summary>
/// A matrix W (outputs, inputs) with an optional bias, packed for y = W x + b in one of several <see cref="WeightFormat"/>s.
/// Every output element is accumulated over the inputs in the same order whatever the number of rows, the vector width or the number
/// of threads: streamed and batched evaluation agree bit for bit.
/// </summary>
public sealed unsafe class LinearWeight
{
    // Below this many multiply-adds waking the team costs more than it saves.
    private const long ParallelThreshold = 1L << 17;

    // Floating-point work is cut into units of so many rows and 32 * so many outputs; a single row has little work per output.
    private const int RowsPerUnit = 64;
    private const int PairsPerUnit = 4;

    // Long rows are computed piece by piece: the rows and weights of a unit then stay in the second-level cache while they meet.
    private const int InputsPerPiece = 1024;

    // Integer work is cut into units of so many bytes of input, half of a usual second-level cache, in which they stay while the
    // weights pass, and 16 * so many outputs.
    private const int InputBytesPerUnit = 512 << 10;
    private const int GroupsPerUnit = 4;
    private const int BiasPadding = 32;

    private readonly WeightMemory memory; // the panels, then the bias padded with zeros to a multiple of 32
    private readonly long panelBytes;

    private LinearWeight(WeightFormat format, int outputs, int inputs, bool isShared)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        (Format, Outputs, Inputs) = (format, outputs, inputs);
        panelBytes = WeightLayout.PanelBytes(format, inputs);
        memory = new WeightMemory(SizeFor(format, outputs, inputs), isShared);
        // The rows that pad the last panel are computed and dropped: they must hold something.
        long filled = outputs / WeightLayout.PanelRows(format) * panelBytes;
        memory.Clear(filled, memory.Length - filled);
    }

    /// <summary>Number of rows of W.</summary>
    public int Outputs { get; }

    /// <summary>Number of columns of W.</summary>
    public int Inputs { get; }

    /// <summary>How the values are held.</summary>
    public WeightFormat Format { get; }

    /// <summary>Bytes held by the packed weight and bias.</summary>
    public long SizeInBytes => memory.Length;

    private float* Bias => (float*)(memory.Pointer + WeightLayout.SizeInBytes(Format, Outputs, Inputs));

    /// <summary>Bytes that a packed weight and its bias take.</summary>
    public static long SizeFor(WeightFormat format, int outputs, int inputs) =>
        WeightLayout.SizeInBytes(format, outputs, inputs) + (outputs + BiasPadding - 1L) / BiasPadding * BiasPadding * sizeof(float);

    /// <summary>Packs a row-major matrix.</summary>
    /// <param name="weight">(outputs, inputs), row-major.</param>
    /// <param name="outputs">Number of outputs, at least 1.</param>
    /// <param name="inputs">Number of inputs, at least 1.</param>
    /// <param name="bias">One value per output, or empty for none.</param>
    /// <param name="format">How to hold the values; other formats than <see cref="WeightFormat.Float32"/> round them.</param>
    /// <exception cref="ArgumentException">A span does not have the stated shape.</exception>
    public static LinearWeight Pack(
        ReadOnlySpan<float> weight, int outputs, int inputs, ReadOnlySpan<float> bias = default, WeightFormat format = WeightFormat.Float32)
    {
        if (weight.Length != (long)outputs * inputs)
            throw new ArgumentException($"weight has {weight.Length} values, expected {outputs} x {inputs}", nameof(weight));
        if (!bias.IsEmpty && bias.Length != outputs)
            throw new ArgumentException($"bias has {bias.Length} values, expected {outputs} or none", nameof(bias));
        LinearWeight packed = Create(format, outputs, inputs);
        packed.SetRows(0, weight);
        packed.SetBias(0, bias);
        return packed;
    }

    /// <summary>A weight whose rows are still to be set, all of them, before its first use.</summary>
    internal static LinearWeight Create(WeightFormat format, int outputs, int inputs) => new(format, outputs, inputs, isShared: true);

    /// <summary>As <see cref="Create"/> for a conversion: its memory is released with it rather than with its neighbors.</summary>
    internal static LinearWeight CreateTemporary(WeightFormat format, int outputs, int inputs) => new(format, outputs, inputs, isShared: false);

    /// <summary>Packs whole rows (rows, Inputs) beginning with row <paramref name="first"/>; tells what rounding did to them.</summary>
    internal RoundingError SetRows(int first, ReadOnlySpan<float> rows)
    {
        RoundingError error = default;
        int start = 0;
        if (Format == WeightFormat.Float32)
        {
            for (int group = WeightLayout.GroupRows * Inputs; first % WeightLayout.GroupRows == 0 && rows.Length - start >= group; start += group, first += WeightLayout.GroupRows)
                WeightLayout.PackGroup((float*)PanelOf(first, out _), rows.Slice(start, group), Inputs);
        }

        for (; start < rows.Length; start += Inputs, first++)
            error.Add(WeightLayout.PackRow(Format, PanelOf(first, out int lane), lane, rows.Slice(start, Inputs)));
        return error;
    }

    /// <summary>As <see cref="SetRows(int, ReadOnlySpan{float})"/> for rows that are stored in bfloat16, in a weight of that format.</summary>
    internal void SetRows(int first, ReadOnlySpan<ushort> rows)
    {
        int whole = 2 * WeightLayout.GroupRows, start = 0;
        for (; first % whole == 0 && rows.Length - start >= whole * Inputs; start += whole * Inputs, first += whole)
            WeightLayout.PackGroup((uint*)PanelOf(first, out _), rows.Slice(start, whole * Inputs), Inputs);
        float[] row = new float[start < rows.Length ? Inputs : 0];
        for (; start < rows.Length; start += Inputs, first++)
        {
            BFloat16.ToSingle(rows.Slice(start, Inputs), row);
            WeightLayout.PackRow(Format, PanelOf(first, out int lane), lane, row);
        }
    }

    /// <summary>Sets the bias of some rows.</summary>
    internal void SetBias(int first, ReadOnlySpan<float> values) => values.CopyTo(new Span<float>(Bias, Outputs)[first..]);

    /// <summary>The bias of an output; 0 where there is none.</summary>
    internal float BiasOf(int output)
    {
        float value = new ReadOnlySpan<float>(Bias, Outputs)[output];
        GC.KeepAlive(this);
        return value;
    }

    /// <summary>Number of panels.</summary>
    internal int PanelCount => WeightLayout.Panels(Format, Outputs);

    /// <summary>The packed bytes of the panel that begins with a row, to be read from or written to a file.</summary>
    internal Span<byte> Panel(int firstRow) => new(PanelOf(firstRow, out _), checked((int)panelBytes));

    /// <summary>Copies row <paramref name="output"/> of W, so that a tied output head also serves as the embedding table.</summary>
    /// <param name="output">Row, 0 to Outputs - 1.</param>
    /// <param name="row">Receives Inputs values.</param>
    public void CopyRow(int output, Span<float> row)
    {
        if ((uint)output >= (uint)Outputs) throw new ArgumentOutOfRangeException(nameof(output), output, $"rows are 0 to {Outputs - 1}");
        WeightLayout.UnpackRow(Format, PanelOf(output, out int lane), lane, row[..Inputs]);
        GC.KeepAlive(this);
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
    public void Multiply(ReadOnlySpan<float> x, int rows, int rowStride, Span<float> y, int yStride, WorkerTeam? team = null) =>
        Multiply(x, rows, rowStride, y, yStride, team, VectorWidths.Best);

    internal void Multiply(ReadOnlySpan<float> x, int rows, int rowStride, Span<float> y, int yStride, WorkerTeam? team, VectorWidth width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (rows == 0) return;
        if (rowStride < 0 || x.Length < (long)(rows - 1) * rowStride + Inputs)
            throw new ArgumentException($"x has {x.Length} values, too few for {rows} rows of {Inputs} at stride {rowStride}", nameof(x));
        if ((yStride < Outputs && rows > 1) || y.Length < (long)(rows - 1) * yStride + Outputs)
            throw new ArgumentException($"y has {y.Length} values, too few for {rows} rows of {Outputs} at stride {yStride}", nameof(y));

        bool isSmall = (long)rows * Outputs * Inputs < ParallelThreshold;
        team ??= WorkerTeam.Shared;
        fixed (float* xPointer = x, yPointer = y)
        {
            if (Format.IsQuantized()) MultiplyQuantized(xPointer, rows, rowStride, yPointer, yStride, isSmall, team, width);
            else MultiplyFloating(xPointer, rows, rowStride, yPointer, yStride, isSmall, team, width);
        }

        // The kernels hold a pointer only: without this a weight could be freed during its last product.
        GC.KeepAlive(this);
    }

    /// <summary>y[r] = W (silu(gate[r]) * up[r]) + b. Integer formats gate while they quantize their input: the gated rows are never stored.</summary>
    /// <param name="gateUp">(rows, [gate | up]), each of <see cref="Inputs"/> values; what it holds afterwards is undefined.</param>
    /// <param name="rows">Number of rows, may be 0.</param>
    /// <param name="y">Output; row r starts at r * <paramref name="yStride"/>. Must not overlap the input.</param>
    /// <param name="yStride">Distance of two output rows in floats, at least <see cref="Outputs"/>.</param>
    /// <param name="team">Threads to use; <see cref="WorkerTeam.Shared"/> when null.</param>
    /// <exception cref="ArgumentException">A span is too short for the rows asked for.</exception>
    internal void MultiplyGated(Span<float> gateUp, int rows, Span<float> y, int yStride, WorkerTeam? team = null)
    {
        if (!Format.IsQuantized())
        {
            GatedRows.SiLUMultiply(gateUp, rows, Inputs, team);
            Multiply(gateUp, rows, 2 * Inputs, y, yStride, team);
            return;
        }

        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (rows == 0) return;
        if (gateUp.Length < 2L * rows * Inputs)
            throw new ArgumentException($"{gateUp.Length} values are too few for {rows} rows of 2 x {Inputs}", nameof(gateUp));
        if ((yStride < Outputs && rows > 1) || y.Length < (long)(rows - 1) * yStride + Outputs)
            throw new ArgumentException($"y has {y.Length} values, too few for {rows} rows of {Outputs} at stride {yStride}", nameof(y));
        bool isSmall = (long)rows * Outputs * Inputs < ParallelThreshold;
        fixed (float* xPointer = gateUp, yPointer = y)
            MultiplyQuantized(xPointer, rows, 2 * Inputs, yPointer, yStride, isSmall, team ?? WorkerTeam.Shared, VectorWidths.Best, isGated: true);
        GC.KeepAlive(this);
    }

    private void MultiplyFloating(float* x, int rows, int rowStride, float* y, int yStride, bool isSmall, WorkerTeam team, VectorWidth width)
    {
        PanelOperands operands = new()
        {
            Weight = memory.Pointer, Bias = Bias, X = x, Y = y, XStride = rowStride, YStride = yStride, Inputs = Inputs, Outputs = Outputs, Taps = 1,
        };
        RunFloating(operands, rows, isSmall, team, width);
    }

    /// <summary>A convolution whose taps are not neighbors: W is (outputs, taps * inputs), and the operands name the distances.</summary>
    internal void Convolve(PanelOperands operands, int rows, WorkerTeam? team, VectorWidth width)
    {
        operands.Weight = memory.Pointer;
        operands.Bias = Bias;
        operands.Outputs = Outputs;
        RunFloating(operands, rows, (long)rows * Outputs * Inputs < ParallelThreshold, team ?? WorkerTeam.Shared, width);
        GC.KeepAlive(this);
    }

    private void RunFloating(PanelOperands operands, int rows, bool isSmall, WorkerTeam team, VectorWidth width)
    {
        operands.PanelBytes = (nint)panelBytes;
        RoundedRows? rounded = Format == WeightFormat.BFloat16Pairs ? RoundedRows.From(ref operands, rows, team) : null;
        FloatingBody body = new()
        {
            Operands = operands,
            Format = Format,
            Width = width,
            Rows = rows,
            Pairs = (Outputs + 31) / 32,
            PairsPerUnit = rows == 1 ? 1 : PairsPerUnit,
        };
        body.UnitsAcross = (body.Pairs + body.PairsPerUnit - 1) / body.PairsPerUnit;
        int units = body.UnitsAcross * ((rows + RowsPerUnit - 1) / RowsPerUnit);
        if (isSmall) body.Execute(0, units);
        else team.For(units, body);
        GC.KeepAlive(rounded);
    }

    private void MultiplyQuantized(
        float* x, int rows, int rowStride, float* y, int yStride, bool isSmall, WorkerTeam team, VectorWidth width, bool isGated = false)
    {
        QuantizedRows input = QuantizedRows.From(x, rows, rowStride, Inputs, Format == WeightFormat.Int4 ? 8 : 128, isGated, team);
        QuantizedBody body = new()
        {
            Operands = new QuantizedOperands
            {
                Weight = memory.Pointer, GroupBytes = (nint)panelBytes, Bias = Bias, X = input.Pointer, TileStride = input.TileStride,
                Y = y, YStride = yStride, Rows = rows, Outputs = Outputs, Records = WeightLayout.Records(Inputs),
            },
            Format = Format,
            Width = width,
            Tiles = rows == 1 ? 1 : (rows + QuantizedRows.TileRows - 1) / QuantizedRows.TileRows,
            Groups = WeightLayout.Panels(Format, Outputs),
            GroupsPerUnit = rows == 1 ? 1 : GroupsPerUnit,
        };
        // As few parts as fit, of one size and of whole pairs of tiles: a small rest would meet all weights once more.
        int parts = (int)Math.Max(1, (body.Tiles * (long)input.TileStride + InputBytesPerUnit - 1) / InputBytesPerUnit);
        body.TilesPerUnit = ((body.Tiles + parts - 1) / parts + 1) / 2 * 2;
        body.UnitsAcross = (body.Groups + body.GroupsPerUnit - 1) / body.GroupsPerUnit;
        int units = body.UnitsAcross * ((body.Tiles + body.TilesPerUnit - 1) / body.TilesPerUnit);
        if (isSmall) body.Execute(0, units);
        else team.For(units, body);
        GC.KeepAlive(input);
    }

    private byte* PanelOf(int row, out int lane)
    {
        int panelRows = WeightLayout.PanelRows(Format);
        lane = row % panelRows;
        return memory.Pointer + row / panelRows * panelBytes;
    }

    private struct FloatingBody : IWorkerBody
    {
        public PanelOperands Operands;
        public WeightFormat Format;
        public VectorWidth Width;
        public int Rows;
        public int Pairs; // of panels: 32 outputs
        public int PairsPerUnit;
        public int UnitsAcross;

        public readonly void Execute(int start, int limit)
        {
            for (int unit = start; unit < limit; unit++)
            {
                int row = unit / UnitsAcross * RowsPerUnit, rowEnd = Math.Min(row + RowsPerUnit, Rows);
                int pair = unit % UnitsAcross * PairsPerUnit, pairEnd = Math.Min(pair + PairsPerUnit, Pairs);
                if (Format == WeightFormat.Float32) RunPanels<float>(row, rowEnd, pair, pairEnd);
                else if (Format == WeightFormat.BFloat16) RunPanels<ushort>(row, rowEnd, pair, pairEnd);
                else PairKernel.Run(Width, Operands, row, rowEnd, pair, pairEnd);
            }
        }

        private readonly void RunPanels<TElement>(int row, int rowEnd, int pair, int pairEnd)
            where TElement : unmanaged
        {
            // One row meets each weight once, and an epilogue or several taps need the sums at once.
            if (Rows == 1 || Operands.Taps > 1 || Operands.Inputs <= 2 * InputsPerPiece || Operands.Residual != null || Operands.Activated != null)
            {
                PanelKernel.Run<TElement>(Width, Operands, row, rowEnd, pair, pairEnd);
                return;
            }

            PanelOperands piece = Operands;
            for (int start = 0; start < Operands.Inputs; start += InputsPerPiece)
            {
                piece.Weight = Operands.Weight + (nint)start * WeightLayout.PanelRows(Format) * sizeof(TElement);
                piece.X = Operands.X + start;
                piece.Inputs = Math.Min(InputsPerPiece, Operands.Inputs - start);
                piece.Continues = start > 0;
                PanelKernel.Run<TElement>(Width, piece, row, rowEnd, pair, pairEnd);
            }
        }
    }

    private struct QuantizedBody : IWorkerBody
    {
        public QuantizedOperands Operands;
        public WeightFormat Format;
        public VectorWidth Width;
        public int Tiles;
        public int TilesPerUnit;
        public int Groups;
        public int GroupsPerUnit;
        public int UnitsAcross;

        public readonly void Execute(int start, int limit)
        {
            for (int unit = start; unit < limit; unit++)
            {
                int tile = unit / UnitsAcross * TilesPerUnit, tileEnd = Math.Min(tile + TilesPerUnit, Tiles);
                int group = unit % UnitsAcross * GroupsPerUnit, groupEnd = Math.Min(group + GroupsPerUnit, Groups);
                switch (Width)
                {
                    case VectorWidth.Emitted when Operands.Rows > 1 && EmittedKernels.Instance is { } emitted:
                        emitted.Run(Operands, Format, tile, tileEnd, group, groupEnd);
                        break;
                    case VectorWidth.V512 or VectorWidth.Emitted:
                        QuantizedKernel<IntegerLanes512, Vector512<byte>>.Run(Operands, Format, tile, tileEnd, group, groupEnd);
                        break;
                    case VectorWidth.V256:
                        QuantizedKernel<IntegerLanes256, Vector256<byte>>.Run(Operands, Format, tile, tileEnd, group, groupEnd);
                        break;
                    case VectorWidth.V128:
                        QuantizedKernel<IntegerLanes128, Vector128<byte>>.Run(Operands, Format, tile, tileEnd, group, groupEnd);
                        break;
                    default:
                        ScalarQuantizedKernel.Run(Operands, Format, tile, tileEnd, group, groupEnd);
                        break;
                }
            }
        }
    }
}
