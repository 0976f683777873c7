using System.Runtime.CompilerServices;

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
    private const int TileRows = 4;

    /// <summary>Computes rows [rowStart, rowEnd) of the outputs [32 * blockStart, 32 * blockEnd).</summary>
    public static void Run(in PanelOperands operands, int rowStart, int rowEnd, int blockStart, int blockEnd)
    {
        int end = Math.Min(blockEnd * 2 * GroupRows, operands.Outputs);
        for (int output = blockStart * 2 * GroupRows; output < end; output += TLanes.Count)
        {
            // A last tile of fewer rows computes one of them again.
            for (int row = rowStart; row < rowEnd; row += TileRows) Tile(operands, row, Math.Min(TileRows, rowEnd - row), output);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile(in PanelOperands operands, int row, int count, int output)
    {
        nint pairs = (operands.Inputs + 1) / 2, stride = operands.XStride;
        uint* w = (uint*)(operands.Weight + output / GroupRows * operands.PanelBytes) + output % GroupRows;
        ushort* x0 = operands.Rounded + row * stride;
        ushort* x1 = x0 + Math.Min(1, count - 1) * stride, x2 = x0 + Math.Min(2, count - 1) * stride, x3 = x0 + (count - 1) * stride;
        TVector s0 = TLanes.Load(operands.Bias + output), s1 = s0, s2 = s0, s3 = s0;
        for (int tap = 0; tap < operands.Taps; tap++)
        {
            for (nint pair = 0; pair < pairs; pair++, w += GroupRows)
            {
                TVector words = TLanes.Load((float*)w), even = TLanes.LowBFloat16(words), odd = TLanes.HighBFloat16(words);
                s0 = MultiplyAdd(x0 + 2 * pair, even, odd, s0);
                s1 = MultiplyAdd(x1 + 2 * pair, even, odd, s1);
                s2 = MultiplyAdd(x2 + 2 * pair, even, odd, s2);
                s3 = MultiplyAdd(x3 + 2 * pair, even, odd, s3);
            }

            x0 += operands.TapStride;
            x1 += operands.TapStride;
            x2 += operands.TapStride;
            x3 += operands.TapStride;
        }

        PanelEpilogue<TLanes, TVector>.Store(operands, row, output, s0);
        if (count > 1) PanelEpilogue<TLanes, TVector>.Store(operands, row + 1, output, s1);
        if (count > 2) PanelEpilogue<TLanes, TVector>.Store(operands, row + 2, output, s2);
        if (count > 3) PanelEpilogue<TLanes, TVector>.Store(operands, row + 3, output, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector MultiplyAdd(ushort* x, TVector even, TVector odd, TVector sum)
    {
        TVector pair = TLanes.Broadcast(*(float*)x);
        return TLanes.MultiplyAdd(TLanes.LowBFloat16(pair), even, TLanes.MultiplyAdd(TLanes.HighBFloat16(pair), odd, sum));
    }
}
