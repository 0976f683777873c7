using System.Runtime.InteropServices;

namespace Emova.Numerics;

/// <summary>
/// Where the values of a packed weight lie. Rows (outputs) are grouped so that one lane of a vector belongs to one row: no
/// horizontal sums, and one forward stream of memory per product.
/// <list type="bullet">
/// <item>Float32: panels of 16 rows, [input][16].</item>
/// <item>BFloat16: panels of 32 rows, [input][16] words of 32 bits; the low half of word r is row r, the high half row r + 16.</item>
/// <item>BFloat16Pairs: panels of 16 rows, [pair of inputs][16] words of 32 bits; the low half of a word is the even input.</item>
/// <item>Int8, Int4: groups of 16 rows, one record per 64 inputs: 2 x 16 bfloat16 scales (one per row and block of 32 inputs), then
/// the two blocks. Int8: 8 lines of 64 bytes per block; byte 4 r + i of line j is input 4 j + i of row r, plus 128. Int4: 4 lines;
/// byte 4 r + i of line j holds input 4 j + i of row r, plus 8, in its low half and input 4 (j + 4) + i in its high half.</item>
/// </list>
/// Rows and inputs beyond the matrix are zero.
/// </summary>
internal static unsafe class WeightLayout
{
    /// <summary>Rows of a group of the integer formats and of a panel of Float32.</summary>
    public const int GroupRows = 16;

    /// <summary>Inputs that share a scale.</summary>
    public const int BlockInputs = 32;

    /// <summary>Inputs of a record: two blocks, so that records are multiples of a cache line.</summary>
    public const int RecordInputs = 64;

    private const int ScaleBytes = 2 * GroupRows * sizeof(ushort);
    private const int LineBytes = 64;

    /// <summary>Whether a format stores integers with scales.</summary>
    public static bool IsQuantized(this WeightFormat format) => format is WeightFormat.Int8 or WeightFormat.Int4;

    /// <summary>Rows that are packed together; weights can be joined at multiples of it.</summary>
    public static int PanelRows(WeightFormat format) => format == WeightFormat.BFloat16 ? 2 * GroupRows : GroupRows;

    /// <summary>Bytes of a record of an integer format.</summary>
    public static int RecordBytes(WeightFormat format) => ScaleBytes + 2 * BlockBytes(format);

    /// <summary>Records of a row.</summary>
    public static int Records(int inputs) => (inputs + RecordInputs - 1) / RecordInputs;

    /// <summary>Bytes of a panel or group of rows.</summary>
    public static long PanelBytes(WeightFormat format, int inputs) => format switch
    {
        WeightFormat.Float32 => (long)inputs * GroupRows * sizeof(float),
        WeightFormat.BFloat16 => (long)inputs * 2 * GroupRows * sizeof(ushort),
        WeightFormat.BFloat16Pairs => (inputs + 1L) / 2 * GroupRows * sizeof(uint),
        _ => (long)Records(inputs) * RecordBytes(format),
    };

    /// <summary>Number of panels or groups.</summary>
    public static int Panels(WeightFormat format, int outputs) => (outputs + PanelRows(format) - 1) / PanelRows(format);

    /// <summary>Bytes of a whole matrix, without a bias.</summary>
    public static long SizeInBytes(WeightFormat format, int outputs, int inputs) => Panels(format, outputs) * PanelBytes(format, inputs);

    /// <summary>Writes one row into its panel.</summary>
    /// <param name="format">The format.</param>
    /// <param name="panel">The first byte of the row's panel.</param>
    /// <param name="lane">Row within the panel.</param>
    /// <param name="values">The row.</param>
    /// <returns>Sums of the squared values and of the squared rounding errors.</returns>
    public static RoundingError PackRow(WeightFormat format, byte* panel, int lane, ReadOnlySpan<float> values)
    {
        RoundingError error = default;
        switch (format)
        {
            case WeightFormat.Float32:
                for (int k = 0; k < values.Length; k++)
                    ((float*)panel)[(nint)k * GroupRows + lane] = values[k];
                break;
            case WeightFormat.BFloat16:
                int half = lane % GroupRows * 2 + lane / GroupRows;
                for (int k = 0; k < values.Length; k++)
                {
                    ushort stored = BFloat16.FromSingle(values[k]);
                    ((ushort*)panel)[(nint)k * 2 * GroupRows + half] = stored;
                    error.Add(values[k], BFloat16.ToSingle(stored));
                }

                break;
            case WeightFormat.BFloat16Pairs:
                for (int k = 0; k < values.Length; k++)
                {
                    ushort stored = BFloat16.FromSingle(values[k]);
                    ((ushort*)panel)[PairIndex(lane, k)] = stored;
                    error.Add(values[k], BFloat16.ToSingle(stored));
                }

                if (values.Length % 2 != 0) ((ushort*)panel)[PairIndex(lane, values.Length)] = 0;
                break;
            default:
                Span<float> block = stackalloc float[BlockInputs];
                Span<sbyte> codes = stackalloc sbyte[BlockInputs];
                for (int start = 0; start < Records(values.Length) * RecordInputs; start += BlockInputs)
                {
                    block.Clear();
                    if (start < values.Length)
                        values[start..Math.Min(start + BlockInputs, values.Length)].CopyTo(block);
                    ushort scale = format == WeightFormat.Int4 ? BlockQuantizer.ToInt4(block, codes) : BlockQuantizer.ToInt8(block, codes);
                    StoreBlock(format, panel, lane, start / BlockInputs, scale, codes);
                    error.Add(block, codes, BFloat16.ToSingle(scale));
                }

                break;
        }

        return error;
    }

    /// <summary>Writes the 16 rows of a panel of Float32: input by input, which walks through the panel once instead of once per row.</summary>
    public static void PackGroup(float* panel, ReadOnlySpan<float> rows, int inputs)
    {
        fixed (float* source = rows)
        {
            for (nint k = 0; k < inputs; k++, panel += GroupRows)
            {
                float* value = source + k;
                for (int r = 0; r < GroupRows; r++, value += inputs) panel[r] = *value;
            }
        }
    }

    /// <summary>Writes the 32 rows of a panel of BFloat16.</summary>
    public static void PackGroup(uint* panel, ReadOnlySpan<ushort> rows, int inputs)
    {
        fixed (ushort* source = rows)
        {
            nint half = (nint)GroupRows * inputs;
            for (nint k = 0; k < inputs; k++, panel += GroupRows)
            {
                ushort* value = source + k;
                for (int r = 0; r < GroupRows; r++, value += inputs) panel[r] = *value | (uint)value[half] << 16;
            }
        }
    }

    /// <summary>Reads one row of a panel.</summary>
    public static void UnpackRow(WeightFormat format, byte* panel, int lane, Span<float> values)
    {
        switch (format)
        {
            case WeightFormat.Float32:
                for (int k = 0; k < values.Length; k++)
                    values[k] = ((float*)panel)[(nint)k * GroupRows + lane];
                break;
            case WeightFormat.BFloat16:
                int half = lane % GroupRows * 2 + lane / GroupRows;
                for (int k = 0; k < values.Length; k++)
                    values[k] = BFloat16.ToSingle(((ushort*)panel)[(nint)k * 2 * GroupRows + half]);
                break;
            case WeightFormat.BFloat16Pairs:
                for (int k = 0; k < values.Length; k++) values[k] = BFloat16.ToSingle(((ushort*)panel)[PairIndex(lane, k)]);
                break;
            default:
                Span<sbyte> codes = stackalloc sbyte[BlockInputs];
                for (int start = 0; start < values.Length; start += BlockInputs)
                {
                    float scale = BFloat16.ToSingle(LoadBlock(format, panel, lane, start / BlockInputs, codes));
                    for (int i = 0; i < Math.Min(BlockInputs, values.Length - start); i++)
                        values[start + i] = codes[i] * scale;
                }

                break;
        }
    }

    /// <summary>Reads the codes of 32 inputs of a row; returns the bit pattern of their scale.</summary>
    public static ushort LoadBlock(WeightFormat format, byte* group, int lane, int block, Span<sbyte> codes)
    {
        byte* record = group + (nint)(block / 2) * RecordBytes(format);
        byte* lines = record + ScaleBytes + block % 2 * BlockBytes(format) + 4 * lane;
        for (int i = 0; i < BlockInputs; i++)
        {
            int j = i / 4;
            codes[i] = format == WeightFormat.Int8
                ? (sbyte)(lines[j * LineBytes + i % 4] - 128)
                : (sbyte)((lines[j % 4 * LineBytes + i % 4] >> (j / 4 * 4) & 15) - 8);
        }

        return ((ushort*)record)[block % 2 * GroupRows + lane];
    }

    /// <summary>Gives a group of random codes the scales that make the standard deviation of its values 1 / sqrt(inputs).</summary>
    public static void SetScales(WeightFormat format, Span<byte> group, int inputs)
    {
        // Standard deviation of whole numbers that are equally likely: sqrt((n^2 - 1) / 12).
        int codes = format == WeightFormat.Int8 ? 256 : 16;
        ushort scale = BFloat16.FromSingle(1 / MathF.Sqrt(inputs * (codes * codes - 1) / 12f));
        for (int start = 0; start < group.Length; start += RecordBytes(format))
            ScalesOf(group[start..]).Fill(scale);
    }

    /// <summary>The scales of a record, bfloat16: 16 of its first block, then 16 of its second.</summary>
    public static Span<ushort> ScalesOf(Span<byte> record) => MemoryMarshal.Cast<byte, ushort>(record[..ScaleBytes]);

    private static void StoreBlock(WeightFormat format, byte* group, int lane, int block, ushort scale, ReadOnlySpan<sbyte> codes)
    {
        byte* record = group + (nint)(block / 2) * RecordBytes(format);
        byte* lines = record + ScaleBytes + block % 2 * BlockBytes(format) + 4 * lane;
        ((ushort*)record)[block % 2 * GroupRows + lane] = scale;
        if (format == WeightFormat.Int8)
        {
            for (int i = 0; i < BlockInputs; i++)
                lines[i / 4 * LineBytes + i % 4] = (byte)(codes[i] + 128);
            return;
        }

        for (int i = 0; i < BlockInputs / 2; i++)
            lines[i / 4 * LineBytes + i % 4] = (byte)(codes[i] + 8 | codes[i + BlockInputs / 2] + 8 << 4);
    }

    private static nint PairIndex(int lane, int k) => ((nint)(k / 2) * GroupRows + lane) * 2 + k % 2;

    private static int BlockBytes(WeightFormat format) => format == WeightFormat.Int8 ? 8 * LineBytes : 4 * LineBytes;
}
