namespace Emova.Numerics.Emitted;

/// <summary>
/// Writes the kernels of bfloat16 pairs: 32 outputs of two panels times one to eight rows over all taps and inputs, as
/// <see cref="PairKernel{TLanes, TVector}"/> computes them. One vdpbf16ps does what takes the intrinsics two multiply-adds and two
/// shifts. It treats subnormal numbers as zero, which they do not.
/// <para>Only registers that both calling conventions let a function overwrite are used; the counter of inputs lies in memory.</para>
/// </summary>
internal static class PairTileCode
{
    public const int LargestTile = 8;

    // Vector registers: the weights of both panels, then the sums of each row, one per panel.
    private const int FirstWeights = 0, SecondWeights = 1, Sums = 16;

    private const int VectorBytes = WeightLayout.GroupRows * sizeof(float);
    private const int PairBytes = 2 * sizeof(ushort);

    /// <summary>The code of a kernel.</summary>
    /// <param name="rows">1 to 8.</param>
    /// <param name="argument">The register with a function's first argument.</param>
    public static byte[] Build(int rows, Register argument)
    {
        // rax: arguments, rcx: weights of the first panel, rdx: from there to the second, r8 and r9: rows 0 and 4, r10 and r11: one and three strides
        EvexAssembler code = new();
        code.Move(Register.Rax, argument);
        code.Load(Register.Rcx, Argument(nameof(TileArguments.Y)));
        for (int panel = 0; panel < 2; panel++)
        {
            // The sums of all rows begin with the bias, which stands where the first row's will.
            code.LoadVector(Sums + panel, new Address(Register.Rcx, panel * VectorBytes));
            for (int row = 1; row < rows; row++) code.MoveVector(Sums + 2 * row + panel, Sums + panel);
        }

        code.Load(Register.Rcx, Argument(nameof(TileArguments.Weight)));
        code.Load(Register.Rdx, Argument(nameof(TileArguments.WeightDistance)));
        code.Load(Register.R8, Argument(nameof(TileArguments.X)));
        code.Load(Register.R10, Argument(nameof(TileArguments.XStride)));
        code.LoadAddress(Register.R9, new Address(Register.R8, 0, Register.R10, 4));

        int tapLoop = code.Here;
        code.Load(Register.R11, Argument(nameof(TileArguments.Count)));
        code.Store(Argument(nameof(TileArguments.Counter)), Register.R11);
        code.LoadAddress(Register.R11, new Address(Register.R10, 0, Register.R10, 2));
        int pairLoop = code.Here;
        code.LoadVector(FirstWeights, new Address(Register.Rcx));
        code.LoadVector(SecondWeights, new Address(Register.Rcx, 0, Register.Rdx));
        for (int row = 0; row < rows; row++)
        {
            code.DotBFloat16(Sums + 2 * row, FirstWeights, RowAddress(row));
            code.DotBFloat16(Sums + 2 * row + 1, SecondWeights, RowAddress(row));
        }

        code.Add(Register.Rcx, Argument(nameof(TileArguments.WeightAdvance)));
        code.Add(Register.R8, PairBytes);
        code.Add(Register.R9, PairBytes);
        code.DecrementAndLoop(Argument(nameof(TileArguments.Counter)), pairLoop);
        code.Add(Register.R8, Argument(nameof(TileArguments.TapAdvance)));
        code.Add(Register.R9, Argument(nameof(TileArguments.TapAdvance)));
        code.DecrementAndLoop(Argument(nameof(TileArguments.Taps)), tapLoop);

        code.Load(Register.Rcx, Argument(nameof(TileArguments.Y)));
        code.Load(Register.R11, Argument(nameof(TileArguments.YStride)));
        for (int row = 0; row < rows; row++)
        {
            for (int panel = 0; panel < 2; panel++) code.StoreVector(new Address(Register.Rcx, panel * VectorBytes), Sums + 2 * row + panel);
            code.Add(Register.Rcx, Register.R11);
        }

        code.Return();
        return code.ToArray();
    }

    private static Address RowAddress(int row)
    {
        Register start = row < 4 ? Register.R8 : Register.R9;
        return (row % 4) switch
        {
            0 => new Address(start),
            1 => new Address(start, 0, Register.R10),
            2 => new Address(start, 0, Register.R10, 2),
            _ => new Address(start, 0, Register.R11),
        };
    }

    private static Address Argument(string field) => new(Register.Rax, TileArguments.OffsetOf(field));
}
