namespace Emova.Numerics.Emitted;

/// <summary>
/// Writes the kernels of integer weights: one group of 16 outputs times four or eight rows over all inputs, with the formula of
/// <see cref="QuantizedKernel{TLanes, TVector}"/> and its layouts. vpdpbusd does with full bytes at once what the intrinsics do with
/// half bytes and three instructions.
/// <para>
/// Only vector registers 0 to 5 and 16 to 31 are used: those that both calling conventions let a function overwrite.
/// </para>
/// </summary>
internal sealed class IntegerTileCode
{
    // Vector registers
    private const int Scale = 0, Integers = 1, Product = 5, Sums = 16, Weights = 24;

    // Enough independent chains to hide the four cycles a vpdpbusd takes.
    private const int Chains = 4;

    private const int TileRows = QuantizedRows.TileRows;
    private const int LineBytes = 64;
    private const int LinesPerBlock = 8;

    private readonly EvexAssembler code = new();
    private readonly WeightFormat format;
    private readonly int rows;

    private IntegerTileCode(WeightFormat format, int rows) => (this.format, this.rows) = (format, rows);

    private int BlockBytes => format == WeightFormat.Int4 ? LinesPerBlock / 2 * LineBytes : LinesPerBlock * LineBytes;

    /// <summary>The code of a kernel.</summary>
    /// <param name="format">Int8 or Int4.</param>
    /// <param name="rows">4 or 8 rows of input.</param>
    /// <param name="argument">The register with a function's first argument.</param>
    public static byte[] Build(WeightFormat format, int rows, Register argument) => new IntegerTileCode(format, rows).Build(argument);

    private byte[] Build(Register argument)
    {
        // rax: arguments, rcx: weights, rdx: records left, r8 and r9: rows 0 to 3 and 4 to 7, r10: y, r11: its stride
        code.Move(Register.Rax, argument);
        code.Load(Register.Rcx, Argument(nameof(TileArguments.Weight)));
        code.Load(Register.Rdx, Argument(nameof(TileArguments.Count)));
        code.Load(Register.R8, Argument(nameof(TileArguments.X)));
        code.Load(Register.R9, Argument(nameof(TileArguments.SecondX)));
        code.Load(Register.R11, Argument(nameof(TileArguments.YStride)));
        code.Load(Register.R10, Argument(nameof(TileArguments.Bias)));
        code.LoadVector(Sums, new Address(Register.R10));
        for (int row = 1; row < rows; row++) code.MoveVector(Sums + row, Sums);

        int loop = code.Here;
        for (int half = 0; half < 2; half++)
        {
            LoadBlock(half);
            for (int first = 0; first < rows; first += Chains) AddRows(half, first);
        }

        code.Add(Register.Rcx, WeightLayout.RecordBytes(format));
        code.Add(Register.R8, 2 * QuantizedRows.RecordBytes(TileRows));
        code.Add(Register.R9, 2 * QuantizedRows.RecordBytes(TileRows));
        code.DecrementAndLoop(Register.Rdx, loop);

        code.Load(Register.R10, Argument(nameof(TileArguments.Y)));
        for (int row = 0; row < rows; row++)
        {
            code.StoreVector(new Address(Register.R10), Sums + row);
            code.Add(Register.R10, Register.R11);
        }

        code.Return();
        return code.ToArray();
    }

    /// <summary>The eight lines of a block as unsigned bytes, and its scales as floats.</summary>
    private void LoadBlock(int half)
    {
        int lines = LineBytes + half * BlockBytes;
        for (int j = 0; j < BlockBytes / LineBytes; j++) code.LoadVector(Weights + j, new Address(Register.Rcx, lines + j * LineBytes));
        if (format == WeightFormat.Int4)
        {
            Address mask = Argument(nameof(TileArguments.LowHalves));
            for (int j = 0; j < LinesPerBlock / 2; j++)
            {
                code.ShiftWordsRight(Weights + LinesPerBlock / 2 + j, Weights + j, 4);
                code.And(Weights + j, Weights + j, mask);
                code.And(Weights + LinesPerBlock / 2 + j, Weights + LinesPerBlock / 2 + j, mask);
            }
        }

        code.LoadWords(Scale, new Address(Register.Rcx, half * LineBytes / 2));
        code.ShiftLeft(Scale, Scale, 16);
    }

    /// <summary>A block of four rows, side by side.</summary>
    private void AddRows(int half, int first)
    {
        for (int row = 0; row < Chains; row++) code.Broadcast(Integers + row, Start(half, first + row));
        for (int j = 0; j < LinesPerBlock; j++)
        {
            for (int row = 0; row < Chains; row++) code.DotBytes(Integers + row, Weights + j, Quad(half, first + row, j));
        }

        for (int row = 0; row < Chains; row++) AddScaled(half, first + row, Integers + row);
    }

    private void AddScaled(int half, int row, int integers)
    {
        code.ToFloats(integers, integers);
        code.Multiply(Product, Scale, Input(half, row, TileRows * WeightLayout.BlockInputs + row % TileRows * sizeof(float)));
        code.MultiplyAdd(Sums + row, Product, integers);
    }

    /// <summary>Four codes of a row.</summary>
    private Address Quad(int half, int row, int j) => Input(half, row, row % TileRows * WeightLayout.BlockInputs + 4 * j);

    /// <summary>Where a row's integer sum begins.</summary>
    private Address Start(int half, int row) => Input(half, row, TileRows * (WeightLayout.BlockInputs + sizeof(float)) + row % TileRows * sizeof(int));

    private Address Input(int half, int row, int offset) =>
        new(row < TileRows ? Register.R8 : Register.R9, half * QuantizedRows.RecordBytes(TileRows) + offset);

    private static Address Argument(string field) => new(Register.Rax, TileArguments.OffsetOf(field));
}
