using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Emova.Numerics.Emitted;

namespace Emova.Numerics;

/// <summary>
/// The product of <see cref="PanelKernel{TLanes, TVector, TElement}"/> for weights in bfloat16 pairs and inputs rounded to bfloat16: one
/// chain of fused multiply-adds per output over ascending taps and pairs, the odd input of a pair before the even one, as vdpbf16ps has it.
/// </summary>
internal static unsafe class PairKernel<TLanes, TVector>
    where TLanes : struct, ILaneMath<TVector>
    where TVector : unmanaged
{
    private const int GroupRows = WeightLayout.GroupRows;

    /// <summary>Computes rows [rowStart, rowEnd) of the outputs [32 * blockStart, 32 * blockEnd).</summary>
    public static void Run(in PanelOperands operands, int rowStart, int rowEnd, int blockStart, int blockEnd)
    {
        int end = Math.Min(blockEnd * 2 * GroupRows, operands.Outputs);
        for (int output = blockStart * 2 * GroupRows; output < end; output += 2 * TLanes.Count)
        {
            // A last tile of fewer rows computes one of them again.
            int row = rowStart;
            if (TLanes.Count == GroupRows)
            {
                // Sixteen accumulators need the 32 registers of AVX-512.
                for (; row + 4 < rowEnd; row += 8) Tile8(operands, row, Math.Min(8, rowEnd - row), output);
            }

            for (; row < rowEnd; row += 4) Tile4(operands, row, Math.Min(4, rowEnd - row), output);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(in PanelOperands operands, int row, int count, int output)
    {
        nint pairs = (operands.Inputs + 1) / 2, stride = operands.XStride, line = operands.IsWide ? 2 * GroupRows : GroupRows;
        uint* v = Column(operands, output), w = SecondColumn(operands, output);
        ushort* x0 = operands.Rounded + row * stride, x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride, x4 = x3 + stride;
        ushort* x5 = x0 + Math.Min(5, count - 1) * stride, x6 = x0 + Math.Min(6, count - 1) * stride, x7 = x0 + (count - 1) * stride;
        TVector s0 = Start(operands, output), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
        TVector t0 = Start(operands, output + TLanes.Count), t1 = t0, t2 = t0, t3 = t0, t4 = t0, t5 = t0, t6 = t0, t7 = t0;
        for (int tap = 0; tap < operands.Taps; tap++)
        {
            for (nint pair = 0; pair < pairs; pair++, v += line, w += line)
            {
                TVector words = TLanes.Load((float*)v), even = TLanes.LowBFloat16(words), odd = TLanes.HighBFloat16(words);
                TVector others = TLanes.Load((float*)w), otherEven = TLanes.LowBFloat16(others), otherOdd = TLanes.HighBFloat16(others), x;
                x = TLanes.Broadcast(*(float*)(x0 + 2 * pair));
                s0 = MultiplyAdd(x, even, odd, s0);
                t0 = MultiplyAdd(x, otherEven, otherOdd, t0);
                x = TLanes.Broadcast(*(float*)(x1 + 2 * pair));
                s1 = MultiplyAdd(x, even, odd, s1);
                t1 = MultiplyAdd(x, otherEven, otherOdd, t1);
                x = TLanes.Broadcast(*(float*)(x2 + 2 * pair));
                s2 = MultiplyAdd(x, even, odd, s2);
                t2 = MultiplyAdd(x, otherEven, otherOdd, t2);
                x = TLanes.Broadcast(*(float*)(x3 + 2 * pair));
                s3 = MultiplyAdd(x, even, odd, s3);
                t3 = MultiplyAdd(x, otherEven, otherOdd, t3);
                x = TLanes.Broadcast(*(float*)(x4 + 2 * pair));
                s4 = MultiplyAdd(x, even, odd, s4);
                t4 = MultiplyAdd(x, otherEven, otherOdd, t4);
                x = TLanes.Broadcast(*(float*)(x5 + 2 * pair));
                s5 = MultiplyAdd(x, even, odd, s5);
                t5 = MultiplyAdd(x, otherEven, otherOdd, t5);
                x = TLanes.Broadcast(*(float*)(x6 + 2 * pair));
                s6 = MultiplyAdd(x, even, odd, s6);
                t6 = MultiplyAdd(x, otherEven, otherOdd, t6);
                x = TLanes.Broadcast(*(float*)(x7 + 2 * pair));
                s7 = MultiplyAdd(x, even, odd, s7);
                t7 = MultiplyAdd(x, otherEven, otherOdd, t7);
            }

            nint next = operands.TapStride;
            x0 += next; x1 += next; x2 += next; x3 += next;
            x4 += next; x5 += next; x6 += next; x7 += next;
        }

        Store(operands, row, output, s0, t0);
        Store(operands, row + 1, output, s1, t1);
        Store(operands, row + 2, output, s2, t2);
        Store(operands, row + 3, output, s3, t3);
        Store(operands, row + 4, output, s4, t4);
        if (count > 5) Store(operands, row + 5, output, s5, t5);
        if (count > 6) Store(operands, row + 6, output, s6, t6);
        if (count > 7) Store(operands, row + 7, output, s7, t7);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(in PanelOperands operands, int row, int count, int output)
    {
        nint pairs = (operands.Inputs + 1) / 2, stride = operands.XStride, line = operands.IsWide ? 2 * GroupRows : GroupRows;
        uint* v = Column(operands, output), w = SecondColumn(operands, output);
        ushort* x0 = operands.Rounded + row * stride;
        ushort* x1 = x0 + Math.Min(1, count - 1) * stride, x2 = x0 + Math.Min(2, count - 1) * stride, x3 = x0 + (count - 1) * stride;
        TVector s0 = Start(operands, output), s1 = s0, s2 = s0, s3 = s0;
        TVector t0 = Start(operands, output + TLanes.Count), t1 = t0, t2 = t0, t3 = t0;
        for (int tap = 0; tap < operands.Taps; tap++)
        {
            for (nint pair = 0; pair < pairs; pair++, v += line, w += line)
            {
                TVector words = TLanes.Load((float*)v), even = TLanes.LowBFloat16(words), odd = TLanes.HighBFloat16(words);
                TVector others = TLanes.Load((float*)w), otherEven = TLanes.LowBFloat16(others), otherOdd = TLanes.HighBFloat16(others), x;
                x = TLanes.Broadcast(*(float*)(x0 + 2 * pair));
                s0 = MultiplyAdd(x, even, odd, s0);
                t0 = MultiplyAdd(x, otherEven, otherOdd, t0);
                x = TLanes.Broadcast(*(float*)(x1 + 2 * pair));
                s1 = MultiplyAdd(x, even, odd, s1);
                t1 = MultiplyAdd(x, otherEven, otherOdd, t1);
                x = TLanes.Broadcast(*(float*)(x2 + 2 * pair));
                s2 = MultiplyAdd(x, even, odd, s2);
                t2 = MultiplyAdd(x, otherEven, otherOdd, t2);
                x = TLanes.Broadcast(*(float*)(x3 + 2 * pair));
                s3 = MultiplyAdd(x, even, odd, s3);
                t3 = MultiplyAdd(x, otherEven, otherOdd, t3);
            }

            nint next = operands.TapStride;
            x0 += next; x1 += next; x2 += next; x3 += next;
        }

        Store(operands, row, output, s0, t0);
        if (count > 1) Store(operands, row + 1, output, s1, t1);
        if (count > 2) Store(operands, row + 2, output, s2, t2);
        if (count > 3) Store(operands, row + 3, output, s3, t3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector MultiplyAdd(TVector pair, TVector even, TVector odd, TVector sum) =>
        TLanes.MultiplyAdd(TLanes.LowBFloat16(pair), even, TLanes.MultiplyAdd(TLanes.HighBFloat16(pair), odd, sum));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Start(in PanelOperands operands, int output) => operands.Bias == null ? default : TLanes.Load(operands.Bias + output);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Column(in PanelOperands operands, int output) =>
        operands.IsWide
            ? (uint*)(operands.Weight + output / (2 * GroupRows) * operands.PanelBytes) + output % (2 * GroupRows)
            : (uint*)(operands.Weight + output / GroupRows * operands.PanelBytes) + output % GroupRows;

    // The second column of the last pair may lie beyond the matrix: any memory will do, it is not stored.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* SecondColumn(in PanelOperands operands, int output) =>
        Column(operands, output + TLanes.Count < operands.Outputs ? output + TLanes.Count : output);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(in PanelOperands operands, int row, int output, TVector first, TVector second)
    {
        PanelEpilogue<TLanes, TVector>.Store(operands, row, output, first);
        if (output + TLanes.Count < operands.Outputs) PanelEpilogue<TLanes, TVector>.Store(operands, row, output + TLanes.Count, second);
    }
}

/// <summary>Chooses the kernel of a vector width.</summary>
internal static class PairKernel
{
    /// <inheritdoc cref="PairKernel{TLanes, TVector}.Run"/>
    public static void Run(VectorWidth width, in PanelOperands operands, int rowStart, int rowEnd, int blockStart, int blockEnd)
    {
        switch (width)
        {
            case VectorWidth.Emitted when EmittedKernels.Instance is { HasPairs: true } emitted:
                emitted.RunPairs(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            case VectorWidth.V512 or VectorWidth.Emitted:
                PairKernel<Lanes512, Vector512<float>>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            case VectorWidth.V256:
                PairKernel<Lanes256, Vector256<float>>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            case VectorWidth.V128:
                PairKernel<Lanes128, Vector128<float>>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            default:
                PairKernel<LanesScalar, float>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
        }
    }
}
