using System.Runtime.CompilerServices;

namespace Emova.Numerics;

/// <summary>Operands of a product with integer weights; layouts in <see cref="WeightLayout"/> and <see cref="QuantizedRows"/>.</summary>
internal unsafe struct QuantizedOperands
{
    public byte* Weight;
    public nint GroupBytes;
    public float* Bias; // padded to a multiple of 16
    public byte* X;
    public nint TileStride;
    public float* Y;
    public nint YStride;
    public int Rows;
    public int Outputs;
    public int Records; // of a row: 64 inputs each
}

/// <summary>
/// y = b + sum over the blocks of 32 inputs, ascending, of (sum of integer products) * (weight scale * input scale), each block added
/// with one rounding. The integers are exact, so every width, tile and thread count gives the same bits.
/// <para>
/// Int4 codes are 0 to 15 and inputs -127 to 127: the eight pairwise sums of a block, 8 * 2 * 15 * 127 = 30480, fit 16 bits, so one
/// widening per block suffices. Int8 codes are the same twice, 16 * high half + low half.
/// </para>
/// </summary>
internal static unsafe class QuantizedKernel<TLanes, TVector>
    where TLanes : struct, IIntegerLanes<TVector>
    where TVector : unmanaged
{
    private const int LineBytes = 64;

    /// <summary>Computes the tiles [tileStart, tileEnd) of the groups of 16 outputs [groupStart, groupEnd).</summary>
    public static void Run(in QuantizedOperands operands, WeightFormat format, int tileStart, int tileEnd, int groupStart, int groupEnd)
    {
        for (int group = groupStart; group < groupEnd; group++)
        {
            for (int lane = 0; lane < WeightLayout.GroupRows; lane += TLanes.Count)
            {
                if (operands.Rows == 1)
                {
                    if (format == WeightFormat.Int4) RowInt4(operands, group, lane);
                    else RowInt8(operands, group, lane);
                    continue;
                }

                for (int tile = tileStart; tile < tileEnd; tile++)
                {
                    if (format == WeightFormat.Int4) TileInt4(operands, tile, group, lane);
                    else TileInt8(operands, tile, group, lane);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RowInt4(in QuantizedOperands operands, int group, int lane)
    {
        byte* record = operands.Weight + group * operands.GroupBytes + lane * 4;
        ushort* scales = (ushort*)(operands.Weight + group * operands.GroupBytes) + lane;
        byte* x = operands.X;
        TVector y = TLanes.Load((byte*)(operands.Bias + group * WeightLayout.GroupRows + lane));
        for (int i = operands.Records; i > 0; i--)
        {
            for (int half = 0; half < 2; half++)
            {
                byte* line = record + LineBytes + half * 4 * LineBytes;
                TVector w0 = TLanes.Load(line), w1 = TLanes.Load(line + LineBytes), w2 = TLanes.Load(line + 2 * LineBytes), w3 = TLanes.Load(line + 3 * LineBytes);
                TVector sum = Dot(
                    TLanes.LowHalves(w0), TLanes.LowHalves(w1), TLanes.LowHalves(w2), TLanes.LowHalves(w3),
                    TLanes.HighHalves(w0), TLanes.HighHalves(w1), TLanes.HighHalves(w2), TLanes.HighHalves(w3), x);
                y = Accumulate(sum, TLanes.LoadScales(scales + half * WeightLayout.GroupRows), (float*)(x + 32), (int*)(x + 36), y);
                x += 40;
            }

            record += 9 * LineBytes;
            scales = (ushort*)((byte*)scales + 9 * LineBytes);
        }

        Store(operands, 0, group, lane, y);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RowInt8(in QuantizedOperands operands, int group, int lane)
    {
        byte* record = operands.Weight + group * operands.GroupBytes + lane * 4;
        ushort* scales = (ushort*)(operands.Weight + group * operands.GroupBytes) + lane;
        byte* x = operands.X;
        TVector y = TLanes.Load((byte*)(operands.Bias + group * WeightLayout.GroupRows + lane));
        for (int i = operands.Records; i > 0; i--)
        {
            for (int half = 0; half < 2; half++)
            {
                byte* line = record + LineBytes + half * 8 * LineBytes;
                TVector w0 = TLanes.Load(line), w1 = TLanes.Load(line + LineBytes), w2 = TLanes.Load(line + 2 * LineBytes), w3 = TLanes.Load(line + 3 * LineBytes);
                line += 4 * LineBytes;
                TVector w4 = TLanes.Load(line), w5 = TLanes.Load(line + LineBytes), w6 = TLanes.Load(line + 2 * LineBytes), w7 = TLanes.Load(line + 3 * LineBytes);
                TVector high = Dot(
                    TLanes.HighHalves(w0), TLanes.HighHalves(w1), TLanes.HighHalves(w2), TLanes.HighHalves(w3),
                    TLanes.HighHalves(w4), TLanes.HighHalves(w5), TLanes.HighHalves(w6), TLanes.HighHalves(w7), x);
                TVector low = Dot(
                    TLanes.LowHalves(w0), TLanes.LowHalves(w1), TLanes.LowHalves(w2), TLanes.LowHalves(w3),
                    TLanes.LowHalves(w4), TLanes.LowHalves(w5), TLanes.LowHalves(w6), TLanes.LowHalves(w7), x);
                TVector sum = TLanes.AddInts(TLanes.Times16(high), low);
                y = Accumulate(sum, TLanes.LoadScales(scales + half * WeightLayout.GroupRows), (float*)(x + 32), (int*)(x + 36), y);
                x += 40;
            }

            record += 17 * LineBytes;
            scales = (ushort*)((byte*)scales + 17 * LineBytes);
        }

        Store(operands, 0, group, lane, y);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TileInt4(in QuantizedOperands operands, int tile, int group, int lane)
    {
        byte* record = operands.Weight + group * operands.GroupBytes + lane * 4;
        ushort* scales = (ushort*)(operands.Weight + group * operands.GroupBytes) + lane;
        byte* x = operands.X + tile * operands.TileStride;
        TVector y0 = TLanes.Load((byte*)(operands.Bias + group * WeightLayout.GroupRows + lane)), y1 = y0, y2 = y0, y3 = y0;
        for (int i = operands.Records; i > 0; i--)
        {
            for (int half = 0; half < 2; half++)
            {
                byte* line = record + LineBytes + half * 4 * LineBytes;
                TVector w0 = TLanes.Load(line), w1 = TLanes.Load(line + LineBytes), w2 = TLanes.Load(line + 2 * LineBytes), w3 = TLanes.Load(line + 3 * LineBytes);
                TVector w4 = TLanes.HighHalves(w0), w5 = TLanes.HighHalves(w1), w6 = TLanes.HighHalves(w2), w7 = TLanes.HighHalves(w3);
                w0 = TLanes.LowHalves(w0);
                w1 = TLanes.LowHalves(w1);
                w2 = TLanes.LowHalves(w2);
                w3 = TLanes.LowHalves(w3);
                TVector scale = TLanes.LoadScales(scales + half * WeightLayout.GroupRows);
                float* s = (float*)(x + 128);
                int* c = (int*)(x + 144);
                y0 = Accumulate(Dot(w0, w1, w2, w3, w4, w5, w6, w7, x), scale, s, c, y0);
                y1 = Accumulate(Dot(w0, w1, w2, w3, w4, w5, w6, w7, x + 32), scale, s + 1, c + 1, y1);
                y2 = Accumulate(Dot(w0, w1, w2, w3, w4, w5, w6, w7, x + 64), scale, s + 2, c + 2, y2);
                y3 = Accumulate(Dot(w0, w1, w2, w3, w4, w5, w6, w7, x + 96), scale, s + 3, c + 3, y3);
                x += 160;
            }

            record += 9 * LineBytes;
            scales = (ushort*)((byte*)scales + 9 * LineBytes);
        }

        StoreTile(operands, tile, group, lane, y0, y1, y2, y3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TileInt8(in QuantizedOperands operands, int tile, int group, int lane)
    {
        byte* record = operands.Weight + group * operands.GroupBytes + lane * 4;
        ushort* scales = (ushort*)(operands.Weight + group * operands.GroupBytes) + lane;
        byte* x = operands.X + tile * operands.TileStride;
        TVector y0 = TLanes.Load((byte*)(operands.Bias + group * WeightLayout.GroupRows + lane)), y1 = y0, y2 = y0, y3 = y0;
        for (int i = operands.Records; i > 0; i--)
        {
            for (int half = 0; half < 2; half++)
            {
                byte* line = record + LineBytes + half * 8 * LineBytes;
                TVector w0 = TLanes.Load(line), w1 = TLanes.Load(line + LineBytes), w2 = TLanes.Load(line + 2 * LineBytes), w3 = TLanes.Load(line + 3 * LineBytes);
                line += 4 * LineBytes;
                TVector w4 = TLanes.Load(line), w5 = TLanes.Load(line + LineBytes), w6 = TLanes.Load(line + 2 * LineBytes), w7 = TLanes.Load(line + 3 * LineBytes);
                TVector h0 = TLanes.HighHalves(w0), h1 = TLanes.HighHalves(w1), h2 = TLanes.HighHalves(w2), h3 = TLanes.HighHalves(w3);
                TVector h4 = TLanes.HighHalves(w4), h5 = TLanes.HighHalves(w5), h6 = TLanes.HighHalves(w6), h7 = TLanes.HighHalves(w7);
                TVector i0 = TLanes.Times16(Dot(h0, h1, h2, h3, h4, h5, h6, h7, x));
                TVector i1 = TLanes.Times16(Dot(h0, h1, h2, h3, h4, h5, h6, h7, x + 32));
                TVector i2 = TLanes.Times16(Dot(h0, h1, h2, h3, h4, h5, h6, h7, x + 64));
                TVector i3 = TLanes.Times16(Dot(h0, h1, h2, h3, h4, h5, h6, h7, x + 96));
                w0 = TLanes.LowHalves(w0);
                w1 = TLanes.LowHalves(w1);
                w2 = TLanes.LowHalves(w2);
                w3 = TLanes.LowHalves(w3);
                w4 = TLanes.LowHalves(w4);
                w5 = TLanes.LowHalves(w5);
                w6 = TLanes.LowHalves(w6);
                w7 = TLanes.LowHalves(w7);
                TVector scale = TLanes.LoadScales(scales + half * WeightLayout.GroupRows);
                float* s = (float*)(x + 128);
                int* c = (int*)(x + 144);
                y0 = Accumulate(TLanes.AddInts(i0, Dot(w0, w1, w2, w3, w4, w5, w6, w7, x)), scale, s, c, y0);
                y1 = Accumulate(TLanes.AddInts(i1, Dot(w0, w1, w2, w3, w4, w5, w6, w7, x + 32)), scale, s + 1, c + 1, y1);
                y2 = Accumulate(TLanes.AddInts(i2, Dot(w0, w1, w2, w3, w4, w5, w6, w7, x + 64)), scale, s + 2, c + 2, y2);
                y3 = Accumulate(TLanes.AddInts(i3, Dot(w0, w1, w2, w3, w4, w5, w6, w7, x + 96)), scale, s + 3, c + 3, y3);
                x += 160;
            }

            record += 17 * LineBytes;
            scales = (ushort*)((byte*)scales + 17 * LineBytes);
        }

        StoreTile(operands, tile, group, lane, y0, y1, y2, y3);
    }

    /// <summary>Integer sums of the 32 products of a block: line j meets the j-th four inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Dot(TVector w0, TVector w1, TVector w2, TVector w3, TVector w4, TVector w5, TVector w6, TVector w7, byte* x)
    {
        TVector a = TLanes.AddShorts(TLanes.MultiplyPairs(w0, x), TLanes.MultiplyPairs(w1, x + 4));
        TVector b = TLanes.AddShorts(TLanes.MultiplyPairs(w2, x + 8), TLanes.MultiplyPairs(w3, x + 12));
        a = TLanes.AddShorts(a, TLanes.MultiplyPairs(w4, x + 16));
        b = TLanes.AddShorts(b, TLanes.MultiplyPairs(w5, x + 20));
        a = TLanes.AddShorts(a, TLanes.MultiplyPairs(w6, x + 24));
        b = TLanes.AddShorts(b, TLanes.MultiplyPairs(w7, x + 28));
        return TLanes.SumPairs(TLanes.AddShorts(a, b));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Accumulate(TVector ints, TVector weightScale, float* inputScale, int* start, TVector y) => TLanes.MultiplyAdd(
        TLanes.AddInts(ints, TLanes.Broadcast(*start)), TLanes.Multiply(weightScale, TLanes.Broadcast(*inputScale)), y);

    private static void StoreTile(in QuantizedOperands operands, int tile, int group, int lane, TVector y0, TVector y1, TVector y2, TVector y3)
    {
        int row = tile * QuantizedRows.TileRows;
        Store(operands, row, group, lane, y0);
        if (row + 1 < operands.Rows) Store(operands, row + 1, group, lane, y1);
        if (row + 2 < operands.Rows) Store(operands, row + 2, group, lane, y2);
        if (row + 3 < operands.Rows) Store(operands, row + 3, group, lane, y3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(in QuantizedOperands operands, int row, int group, int lane, TVector value)
    {
        int output = group * WeightLayout.GroupRows + lane, count = Math.Min(TLanes.Count, operands.Outputs - output);
        float* target = operands.Y + row * operands.YStride + output;
        if (count == TLanes.Count)
        {
            TLanes.Store(value, target);
            return;
        }

        for (int i = 0; i < count; i++) target[i] = ((float*)&value)[i];
    }
}

/// <summary>The formula of <see cref="QuantizedKernel{TLanes, TVector}"/> written down plainly.</summary>
internal static unsafe class ScalarQuantizedKernel
{
    public static void Run(in QuantizedOperands operands, WeightFormat format, int tileStart, int tileEnd, int groupStart, int groupEnd)
    {
        int tileRows = operands.Rows == 1 ? 1 : QuantizedRows.TileRows;
        Span<sbyte> codes = stackalloc sbyte[WeightLayout.BlockInputs];
        for (int output = groupStart * WeightLayout.GroupRows; output < Math.Min(groupEnd * WeightLayout.GroupRows, operands.Outputs); output++)
        {
            byte* group = operands.Weight + output / WeightLayout.GroupRows * operands.GroupBytes;
            for (int row = tileStart * tileRows; row < Math.Min(tileEnd * tileRows, operands.Rows); row++)
            {
                float y = operands.Bias[output];
                for (int block = 0; block < 2 * operands.Records; block++)
                {
                    ushort weightScale = WeightLayout.LoadBlock(format, group, output % WeightLayout.GroupRows, block, codes);
                    byte* record = operands.X + row / tileRows * operands.TileStride + block * QuantizedRows.RecordBytes(tileRows);
                    sbyte* x = (sbyte*)record + row % tileRows * WeightLayout.BlockInputs;
                    float inputScale = ((float*)(record + tileRows * WeightLayout.BlockInputs))[row % tileRows];
                    int sum = 0;
                    for (int i = 0; i < codes.Length; i++) sum += codes[i] * x[i];
                    y = MathF.FusedMultiplyAdd(sum, BFloat16.ToSingle(weightScale) * inputScale, y);
                }

                operands.Y[row * operands.YStride + output] = y;
            }
        }
    }
}
