using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Emova.Numerics;

/// <summary>Operands of a product with floating-point weights; layouts in <see cref="WeightLayout"/>.</summary>
internal unsafe struct PanelOperands
{
    public byte* Weight;
    public nint PanelBytes;     // from panel to panel
    public bool IsWide;         // of bfloat16 pairs: panels of 32 outputs instead of 16
    public float* Bias;         // padded to a multiple of 32; zeros when null
    public float* X;
    public ushort* Rounded;     // the input of bfloat16 pairs; strides are then counted in its elements
    public float* Y;            // null when only the activated result is wanted
    public nint XStride;
    public nint YStride;
    public int Inputs;          // of one tap
    public bool Continues;      // the sums begin with what Y holds instead of the bias
    public int Outputs;
    public int Taps;            // 1 but for convolutions
    public nint TapStride;      // distance of the inputs of two taps
    public float* Residual;     // added to the result when not null
    public nint ResidualStride;
    public float* Activated;    // receives max(y, slope * y) when not null
    public nint ActivatedStride;
    public float Slope;
}

/// <summary>
/// y[r, n] = bias[n] + sum over taps and k of x[r, tap, k] * w[n, tap, k], register-blocked over rows and pairs of column vectors. A
/// column vector is <c>Count</c> outputs of one panel. Whatever tile an output falls into, it is one chain of fused multiply-adds over
/// ascending tap and k that starts from the bias: results do not depend on the blocking, and those of bfloat16 weights are those of the
/// same values as floats.
/// </summary>
/// <typeparam name="TLanes">The vector operations.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
/// <typeparam name="TElement">float or, for bfloat16, ushort.</typeparam>
internal static unsafe class PanelKernel<TLanes, TVector, TElement>
    where TLanes : struct, ILaneMath<TVector>
    where TVector : unmanaged
    where TElement : unmanaged
{
    private const int GroupRows = WeightLayout.GroupRows;

    /// <summary>Computes rows [rowStart, rowEnd) of the outputs [32 * blockStart, 32 * blockEnd).</summary>
    public static void Run(in PanelOperands operands, int rowStart, int rowEnd, int blockStart, int blockEnd)
    {
        int perBlock = GroupRows / TLanes.Count;
        for (int pair = blockStart * perBlock; pair < blockEnd * perBlock && First(pair) < operands.Outputs; pair++)
        {
            int row = rowStart;
            if (TLanes.Count == GroupRows)
            {
                // Sixteen accumulators need the 32 registers of AVX-512.
                for (; row + 8 <= rowEnd; row += 8) Tile8(operands, row, pair);
            }

            // The rows of the last tile may be fewer: it computes the last one again, which costs less than a tile of its own.
            for (; row + 1 < rowEnd; row += 4) Tile4(operands, row, Math.Min(4, rowEnd - row), pair);
            if (row < rowEnd) Tile1(operands, row, pair);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8(in PanelOperands operands, int row, int pair)
    {
        TElement* w0 = Column(operands, First(pair)), w1 = SecondColumn(operands, pair);
        nint stride = operands.XStride;
        float* x0 = operands.X + row * stride;
        float* x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride;
        float* x4 = x3 + stride, x5 = x4 + stride, x6 = x5 + stride, x7 = x6 + stride;
        Start(operands, row, pair, out TVector s00, out TVector s01);
        Start(operands, row + 1, pair, out TVector s10, out TVector s11);
        Start(operands, row + 2, pair, out TVector s20, out TVector s21);
        Start(operands, row + 3, pair, out TVector s30, out TVector s31);
        Start(operands, row + 4, pair, out TVector s40, out TVector s41);
        Start(operands, row + 5, pair, out TVector s50, out TVector s51);
        Start(operands, row + 6, pair, out TVector s60, out TVector s61);
        Start(operands, row + 7, pair, out TVector s70, out TVector s71);
        nint inputs = operands.Inputs, tapStride = operands.TapStride;
        for (int tap = 0; tap < operands.Taps; tap++)
        {
            for (nint k = 0; k < inputs; k++)
            {
                LoadPair(w0, w1, k, out TVector a, out TVector b);
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

            x0 += tapStride; x1 += tapStride; x2 += tapStride; x3 += tapStride;
            x4 += tapStride; x5 += tapStride; x6 += tapStride; x7 += tapStride;
            w0 = NextTap(w0, inputs);
            w1 = NextTap(w1, inputs);
        }

        Store(operands, row, pair, s00, s01);
        Store(operands, row + 1, pair, s10, s11);
        Store(operands, row + 2, pair, s20, s21);
        Store(operands, row + 3, pair, s30, s31);
        Store(operands, row + 4, pair, s40, s41);
        Store(operands, row + 5, pair, s50, s51);
        Store(operands, row + 6, pair, s60, s61);
        Store(operands, row + 7, pair, s70, s71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(in PanelOperands operands, int row, int count, int pair)
    {
        TElement* w0 = Column(operands, First(pair)), w1 = SecondColumn(operands, pair);
        nint stride = operands.XStride;
        float* x0 = operands.X + row * stride;
        float* x1 = x0 + stride, x2 = x0 + Math.Min(2, count - 1) * stride, x3 = x0 + Math.Min(3, count - 1) * stride;
        Start(operands, row, pair, out TVector s00, out TVector s01);
        Start(operands, row + 1, pair, out TVector s10, out TVector s11);
        Start(operands, row + Math.Min(2, count - 1), pair, out TVector s20, out TVector s21);
        Start(operands, row + Math.Min(3, count - 1), pair, out TVector s30, out TVector s31);
        nint inputs = operands.Inputs, tapStride = operands.TapStride;
        for (int tap = 0; tap < operands.Taps; tap++)
        {
            for (nint k = 0; k < inputs; k++)
            {
                LoadPair(w0, w1, k, out TVector a, out TVector b);
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

            x0 += tapStride; x1 += tapStride; x2 += tapStride; x3 += tapStride;
            w0 = NextTap(w0, inputs);
            w1 = NextTap(w1, inputs);
        }

        Store(operands, row, pair, s00, s01);
        Store(operands, row + 1, pair, s10, s11);
        if (count > 2) Store(operands, row + 2, pair, s20, s21);
        if (count > 3) Store(operands, row + 3, pair, s30, s31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(in PanelOperands operands, int row, int pair)
    {
        TElement* w0 = Column(operands, First(pair)), w1 = SecondColumn(operands, pair);
        float* x = operands.X + row * operands.XStride;
        Start(operands, row, pair, out TVector s0, out TVector s1);
        nint inputs = operands.Inputs, tapStride = operands.TapStride;
        for (int tap = 0; tap < operands.Taps; tap++)
        {
            for (nint k = 0; k < inputs; k++)
            {
                LoadPair(w0, w1, k, out TVector a, out TVector b);
                TVector value = TLanes.Broadcast(x[k]);
                s0 = TLanes.MultiplyAdd(value, a, s0);
                s1 = TLanes.MultiplyAdd(value, b, s1);
            }

            x += tapStride;
            w0 = NextTap(w0, inputs);
            w1 = NextTap(w1, inputs);
        }

        Store(operands, row, pair, s0, s1);
    }

    /// <summary>First output of the first column vector of a pair.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int First(int pair) => typeof(TElement) == typeof(float)
        ? pair * 2 * TLanes.Count
        : pair * TLanes.Count / GroupRows * 2 * GroupRows + pair * TLanes.Count % GroupRows;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Second(int pair) => First(pair) + (typeof(TElement) == typeof(float) ? TLanes.Count : GroupRows);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Start(in PanelOperands operands, int row, int pair, out TVector first, out TVector second)
    {
        if (operands.Continues)
        {
            first = PanelEpilogue<TLanes, TVector>.Load(operands.Y + row * operands.YStride, First(pair), operands.Outputs);
            second = PanelEpilogue<TLanes, TVector>.Load(operands.Y + row * operands.YStride, Second(pair), operands.Outputs);
        }
        else
        {
            first = operands.Bias == null ? default : TLanes.Load(operands.Bias + First(pair));
            second = operands.Bias == null ? default : TLanes.Load(operands.Bias + Second(pair));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TElement* Column(in PanelOperands operands, int output)
    {
        const int pairRows = 2 * GroupRows;
        return typeof(TElement) == typeof(float)
            ? (TElement*)(operands.Weight + output / GroupRows * operands.PanelBytes) + output % GroupRows
            : (TElement*)(operands.Weight + output / pairRows * operands.PanelBytes) + output % GroupRows * 2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TElement* NextTap(TElement* weight, nint inputs) => weight + inputs * GroupRows * (typeof(TElement) == typeof(float) ? 1 : 2);

    // The second column of the last pair may lie beyond the matrix: any memory will do, it is not stored.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TElement* SecondColumn(in PanelOperands operands, int pair) =>
        Column(operands, Second(pair) < operands.Outputs ? Second(pair) : First(pair));

    /// <summary>The weights of both column vectors for input k: two loads of floats, or one of words with a bfloat16 of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadPair(TElement* first, TElement* second, nint k, out TVector a, out TVector b)
    {
        if (typeof(TElement) == typeof(float))
        {
            a = TLanes.Load((float*)first + k * GroupRows);
            b = TLanes.Load((float*)second + k * GroupRows);
            return;
        }

        TVector words = TLanes.Load((float*)first + k * GroupRows);
        a = TLanes.LowBFloat16(words);
        b = TLanes.HighBFloat16(words);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(in PanelOperands operands, int row, int pair, TVector first, TVector second)
    {
        PanelEpilogue<TLanes, TVector>.Store(operands, row, First(pair), first);
        PanelEpilogue<TLanes, TVector>.Store(operands, row, Second(pair), second);
    }
}

/// <summary>Chooses the kernel of a vector width.</summary>
internal static class PanelKernel
{
    /// <inheritdoc cref="PanelKernel{TLanes, TVector, TElement}.Run"/>
    public static void Run<TElement>(VectorWidth width, in PanelOperands operands, int rowStart, int rowEnd, int blockStart, int blockEnd)
        where TElement : unmanaged
    {
        switch (width)
        {
            case VectorWidth.V512 or VectorWidth.Emitted:
                PanelKernel<Lanes512, Vector512<float>, TElement>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            case VectorWidth.V256:
                PanelKernel<Lanes256, Vector256<float>, TElement>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            case VectorWidth.V128:
                PanelKernel<Lanes128, Vector128<float>, TElement>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
            default:
                PanelKernel<LanesScalar, float, TElement>.Run(operands, rowStart, rowEnd, blockStart, blockEnd);
                break;
        }
    }
}
