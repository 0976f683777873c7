using System.Runtime.CompilerServices;

namespace Emova.Numerics;

/// <summary>Operands of one packed matrix product; see <see cref="LinearWeight"/> for the layout.</summary>
internal unsafe struct PanelOperands
{
    public float* Weight; // [outputs / 16][inputs][16]
    public float* Bias;   // padded to a multiple of 16
    public float* X;
    public float* Y;
    public nint XStride;
    public nint YStride;
    public int Inputs;
    public int Outputs;
}

/// <summary>
/// y[r, n] = bias[n] + sum over k of x[r, k] * w[n, k], register-blocked over rows and column vectors. A column vector
/// is <c>Count</c> neighboring outputs of one panel. Whatever tile an output falls into, it is one chain of fused
/// multiply-adds over ascending k that starts from the bias: results do not depend on the blocking.
/// </summary>
internal static unsafe class PanelKernel<TLanes, TVector>
    where TLanes : struct, ILaneMath<TVector>
    where TVector : unmanaged
{
    private const int PanelWidth = LinearWeight.PanelWidth;

    /// <summary>Computes rows [rowStart, rowEnd) of the panels [panelStart, panelEnd).</summary>
    public static void Run(in PanelOperands operands, int rowStart, int rowEnd, int panelStart, int panelEnd)
    {
        int perPanel = PanelWidth / TLanes.Count;
        int columnEnd = panelEnd * perPanel;
        int column = panelStart * perPanel;
        if (rowEnd - rowStart < 4)
        {
            for (; column < columnEnd; column += 8)
            {
                for (int row = rowStart; row < rowEnd; row++) Tile1x8(operands, row, column, columnEnd);
            }

            return;
        }

        for (; column < columnEnd; column += 2)
        {
            int row = rowStart;
            if (TLanes.Count == PanelWidth)
            {
                // Sixteen accumulators need the 32 registers of AVX-512.
                for (; row + 8 <= rowEnd; row += 8) Tile8x2(operands, row, column, columnEnd);
            }

            for (; row + 4 <= rowEnd; row += 4) Tile4x2(operands, row, column, columnEnd);
            for (; row < rowEnd; row++) Tile1x2(operands, row, column, columnEnd);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8x2(in PanelOperands operands, int row, int column, int columnEnd)
    {
        int second = Math.Min(column + 1, columnEnd - 1);
        float* w0 = Column(operands, column);
        float* w1 = Column(operands, second);
        nint stride = operands.XStride;
        float* x0 = operands.X + row * stride;
        float* x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride;
        float* x4 = x3 + stride, x5 = x4 + stride, x6 = x5 + stride, x7 = x6 + stride;
        TVector b0 = Bias(operands, column), b1 = Bias(operands, second);
        TVector s00 = b0, s10 = b0, s20 = b0, s30 = b0, s40 = b0, s50 = b0, s60 = b0, s70 = b0;
        TVector s01 = b1, s11 = b1, s21 = b1, s31 = b1, s41 = b1, s51 = b1, s61 = b1, s71 = b1;
        nint inputs = operands.Inputs;
        for (nint k = 0; k < inputs; k++)
        {
            TVector a = TLanes.Load(w0 + k * PanelWidth), b = TLanes.Load(w1 + k * PanelWidth);
            TVector x = TLanes.Broadcast(x0[k]);
            s00 = TLanes.MultiplyAdd(x, a, s00);
            s01 = TLanes.MultiplyAdd(x, b, s01);
            x = TLanes.Broadcast(x1[k]);
            s10 = TLanes.MultiplyAdd(x, a, s10);
            s11 = TLanes.MultiplyAdd(x, b, s11);
            x = TLanes.Broadcast(x2[k]);
            s20 = TLanes.MultiplyAdd(x, a, s20);
            s21 = TLanes.MultiplyAdd(x, b, s21);
            x = TLanes.Broadcast(x3[k]);
            s30 = TLanes.MultiplyAdd(x, a, s30);
            s31 = TLanes.MultiplyAdd(x, b, s31);
            x = TLanes.Broadcast(x4[k]);
            s40 = TLanes.MultiplyAdd(x, a, s40);
            s41 = TLanes.MultiplyAdd(x, b, s41);
            x = TLanes.Broadcast(x5[k]);
            s50 = TLanes.MultiplyAdd(x, a, s50);
            s51 = TLanes.MultiplyAdd(x, b, s51);
            x = TLanes.Broadcast(x6[k]);
            s60 = TLanes.MultiplyAdd(x, a, s60);
            s61 = TLanes.MultiplyAdd(x, b, s61);
            x = TLanes.Broadcast(x7[k]);
            s70 = TLanes.MultiplyAdd(x, a, s70);
            s71 = TLanes.MultiplyAdd(x, b, s71);
        }

        StorePair(operands, row, column, columnEnd, s00, s01);
        StorePair(operands, row + 1, column, columnEnd, s10, s11);
        StorePair(operands, row + 2, column, columnEnd, s20, s21);
        StorePair(operands, row + 3, column, columnEnd, s30, s31);
        StorePair(operands, row + 4, column, columnEnd, s40, s41);
        StorePair(operands, row + 5, column, columnEnd, s50, s51);
        StorePair(operands, row + 6, column, columnEnd, s60, s61);
        StorePair(operands, row + 7, column, columnEnd, s70, s71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x2(in PanelOperands operands, int row, int column, int columnEnd)
    {
        int second = Math.Min(column + 1, columnEnd - 1);
        float* w0 = Column(operands, column);
        float* w1 = Column(operands, second);
        nint stride = operands.XStride;
        float* x0 = operands.X + row * stride;
        float* x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride;
        TVector b0 = Bias(operands, column), b1 = Bias(operands, second);
        TVector s00 = b0, s10 = b0, s20 = b0, s30 = b0, s01 = b1, s11 = b1, s21 = b1, s31 = b1;
        nint inputs = operands.Inputs;
        for (nint k = 0; k < inputs; k++)
        {
            TVector a = TLanes.Load(w0 + k * PanelWidth), b = TLanes.Load(w1 + k * PanelWidth);
            TVector x = TLanes.Broadcast(x0[k]);
            s00 = TLanes.MultiplyAdd(x, a, s00);
            s01 = TLanes.MultiplyAdd(x, b, s01);
            x = TLanes.Broadcast(x1[k]);
            s10 = TLanes.MultiplyAdd(x, a, s10);
            s11 = TLanes.MultiplyAdd(x, b, s11);
            x = TLanes.Broadcast(x2[k]);
            s20 = TLanes.MultiplyAdd(x, a, s20);
            s21 = TLanes.MultiplyAdd(x, b, s21);
            x = TLanes.Broadcast(x3[k]);
            s30 = TLanes.MultiplyAdd(x, a, s30);
            s31 = TLanes.MultiplyAdd(x, b, s31);
        }

        StorePair(operands, row, column, columnEnd, s00, s01);
        StorePair(operands, row + 1, column, columnEnd, s10, s11);
        StorePair(operands, row + 2, column, columnEnd, s20, s21);
        StorePair(operands, row + 3, column, columnEnd, s30, s31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x2(in PanelOperands operands, int row, int column, int columnEnd)
    {
        int second = Math.Min(column + 1, columnEnd - 1);
        float* w0 = Column(operands, column);
        float* w1 = Column(operands, second);
        float* x0 = operands.X + row * operands.XStride;
        TVector s0 = Bias(operands, column), s1 = Bias(operands, second);
        nint inputs = operands.Inputs;
        for (nint k = 0; k < inputs; k++)
        {
            TVector x = TLanes.Broadcast(x0[k]);
            s0 = TLanes.MultiplyAdd(x, TLanes.Load(w0 + k * PanelWidth), s0);
            s1 = TLanes.MultiplyAdd(x, TLanes.Load(w1 + k * PanelWidth), s1);
        }

        StorePair(operands, row, column, columnEnd, s0, s1);
    }

    // One row alone has a single chain per output: eight columns at once hide the latency of the chain.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x8(in PanelOperands operands, int row, int column, int columnEnd)
    {
        int last = columnEnd - 1;
        float* w0 = Column(operands, column);
        float* w1 = Column(operands, Math.Min(column + 1, last));
        float* w2 = Column(operands, Math.Min(column + 2, last));
        float* w3 = Column(operands, Math.Min(column + 3, last));
        float* w4 = Column(operands, Math.Min(column + 4, last));
        float* w5 = Column(operands, Math.Min(column + 5, last));
        float* w6 = Column(operands, Math.Min(column + 6, last));
        float* w7 = Column(operands, Math.Min(column + 7, last));
        TVector s0 = Bias(operands, column);
        TVector s1 = Bias(operands, Math.Min(column + 1, last));
        TVector s2 = Bias(operands, Math.Min(column + 2, last));
        TVector s3 = Bias(operands, Math.Min(column + 3, last));
        TVector s4 = Bias(operands, Math.Min(column + 4, last));
        TVector s5 = Bias(operands, Math.Min(column + 5, last));
        TVector s6 = Bias(operands, Math.Min(column + 6, last));
        TVector s7 = Bias(operands, Math.Min(column + 7, last));
        float* x0 = operands.X + row * operands.XStride;
        nint inputs = operands.Inputs;
        for (nint k = 0; k < inputs; k++)
        {
            TVector x = TLanes.Broadcast(x0[k]);
            nint offset = k * PanelWidth;
            s0 = TLanes.MultiplyAdd(x, TLanes.Load(w0 + offset), s0);
            s1 = TLanes.MultiplyAdd(x, TLanes.Load(w1 + offset), s1);
            s2 = TLanes.MultiplyAdd(x, TLanes.Load(w2 + offset), s2);
            s3 = TLanes.MultiplyAdd(x, TLanes.Load(w3 + offset), s3);
            s4 = TLanes.MultiplyAdd(x, TLanes.Load(w4 + offset), s4);
            s5 = TLanes.MultiplyAdd(x, TLanes.Load(w5 + offset), s5);
            s6 = TLanes.MultiplyAdd(x, TLanes.Load(w6 + offset), s6);
            s7 = TLanes.MultiplyAdd(x, TLanes.Load(w7 + offset), s7);
        }

        StorePair(operands, row, column, columnEnd, s0, s1);
        if (column + 2 < columnEnd) StorePair(operands, row, column + 2, columnEnd, s2, s3);
        if (column + 4 < columnEnd) StorePair(operands, row, column + 4, columnEnd, s4, s5);
        if (column + 6 < columnEnd) StorePair(operands, row, column + 6, columnEnd, s6, s7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Column(in PanelOperands operands, int column)
    {
        int output = column * TLanes.Count;
        return operands.Weight + (nint)(output / PanelWidth) * operands.Inputs * PanelWidth + output % PanelWidth;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Bias(in PanelOperands operands, int column) => TLanes.Load(operands.Bias + column * TLanes.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePair(in PanelOperands operands, int row, int column, int columnEnd, TVector first, TVector second)
    {
        Store(operands, row, column, first);
        if (column + 1 < columnEnd) Store(operands, row, column + 1, second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(in PanelOperands operands, int row, int column, TVector value)
    {
        int output = column * TLanes.Count;
        float* target = operands.Y + row * operands.YStride + output;
        if (output + TLanes.Count <= operands.Outputs)
        {
            TLanes.Store(value, target);
            return;
        }

        float* lanes = (float*)&value;
        for (int i = 0; i < operands.Outputs - output; i++) target[i] = lanes[i];
    }
}
