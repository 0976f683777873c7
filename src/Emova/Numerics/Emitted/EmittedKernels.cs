using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Emova.Numerics.Emitted;

/// <summary>
/// Kernels whose machine code is written at run time, for instructions that .NET does not offer as intrinsics: products of bytes (AVX-512
/// VNNI) and of bfloat16 pairs (AVX-512 BF16). They are used where the processor has the instructions, the system lets memory become
/// executable and each kernel gives the bits of the scalar reference in a check at first use; otherwise, or with the environment variable
/// EMOVA_EMITTED=0, they are absent.
/// </summary>
internal sealed unsafe class EmittedKernels
{
    private const int TileRows = QuantizedRows.TileRows;
    private const int LargestTile = 2 * TileRows;

    private readonly ExecutableMemory memory; // kept: it holds the code
    private readonly byte* int4Four, int4Eight, int8Four, int8Eight;
    private readonly byte*[] pairs = new byte*[PairTileCode.LargestTile + 1]; // by rows

    private EmittedKernels(ExecutableMemory memory, Dictionary<string, int> starts)
    {
        this.memory = memory;
        byte* Find(WeightFormat format, int rows) => memory.Pointer + starts[Name(format, rows)];
        int4Four = Find(WeightFormat.Int4, TileRows);
        int4Eight = Find(WeightFormat.Int4, LargestTile);
        int8Four = Find(WeightFormat.Int8, TileRows);
        int8Eight = Find(WeightFormat.Int8, LargestTile);
        for (int rows = 1; rows < pairs.Length; rows++) pairs[rows] = Find(WeightFormat.BFloat16Pairs, rows);
    }
    /// <summary>The kernels of this process, or null.</summary>
    public static EmittedKernels? Instance { get; } = Choose(Environment.GetEnvironmentVariable("EMOVA_EMITTED"));

    /// <summary>Whether the processor has AVX-512 VNNI and the runtime may use AVX-512.</summary>
    public static bool IsSupported => Avx512BW.IsSupported && (X86Base.CpuId(7, 0).Ecx >> 11 & 1) != 0;

    /// <summary>Whether the processor has AVX-512 BF16 as well.</summary>
    public static bool IsBFloat16Supported => IsSupported && (X86Base.CpuId(7, 1).Eax >> 5 & 1) != 0;

    /// <summary>Whether <see cref="RunPairs"/> may be called.</summary>
    public bool HasPairs { get; private set; }

    /// <summary>The kernels, unless <paramref name="setting"/> is 0 or the processor cannot run them.</summary>
    public static EmittedKernels? Choose(string? setting) => setting == "0" || !IsSupported ? null : TryCreate(code => ExecutableMemory.TryCreate(code));

    /// <summary>Writes the kernels and checks them; null where memory is refused or a result differs.</summary>
    /// <param name="makeExecutable">Gives code a place where it can run, or null.</param>
    public static EmittedKernels? TryCreate(Func<byte[], ExecutableMemory?> makeExecutable)
    {
        Register argument = OperatingSystem.IsWindows() ? Register.Rcx : Register.Rdi;
        Dictionary<string, int> starts = [];
        List<byte> code = [];
        void Append(WeightFormat format, int rows, byte[] kernel)
        {
            code.AddRange(new byte[-code.Count & 63]); // each begins a cache line
            starts[Name(format, rows)] = code.Count;
            code.AddRange(kernel);
        }

        foreach (WeightFormat format in (ReadOnlySpan<WeightFormat>)[WeightFormat.Int4, WeightFormat.Int8])
        {
            foreach (int rows in (ReadOnlySpan<int>)[TileRows, LargestTile]) Append(format, rows, IntegerTileCode.Build(format, rows, argument));
        }

        for (int rows = 1; rows <= PairTileCode.LargestTile; rows++) Append(WeightFormat.BFloat16Pairs, rows, PairTileCode.Build(rows, argument));
        if (makeExecutable([.. code]) is not { } memory)
            return null;
        EmittedKernels kernels = new(memory, starts);
        kernels.HasPairs = IsBFloat16Supported && KernelCheck.PairsAgree(kernels);
        return KernelCheck.IntegersAgree(kernels) ? kernels : null;
    }

    /// <summary>Computes the tiles [tileStart, tileEnd) of the groups of 16 outputs [groupStart, groupEnd); for more than one row.</summary>
    public void Run(in QuantizedOperands operands, WeightFormat format, int tileStart, int tileEnd, int groupStart, int groupEnd)
    {
        bool isInt4 = format == WeightFormat.Int4;
        float* partial = stackalloc float[LargestTile * WeightLayout.GroupRows];
        for (int group = groupStart; group < groupEnd; group++)
        {
            int output = group * WeightLayout.GroupRows, count = Math.Min(WeightLayout.GroupRows, operands.Outputs - output);
            int tile = tileStart;
            for (; tile + 2 <= tileEnd; tile += 2) Run(isInt4 ? int4Eight : int8Eight, operands, LargestTile, tile, group, output, count, partial);
            if (tile < tileEnd) Run(isInt4 ? int4Four : int8Four, operands, TileRows, tile, group, output, count, partial);
        }
    }

    private static void Run(
        byte* kernel, in QuantizedOperands operands, int tileRows, int tile, int group, int output, int count, float* partial)
    {
        int first = tile * TileRows, rows = Math.Min(tileRows, operands.Rows - first);
        bool isPartial = rows < tileRows || count < WeightLayout.GroupRows;
        float* target = operands.Y + first * operands.YStride + output;
        byte* x = operands.X + tile * operands.TileStride;
        TileArguments arguments = new()
        {
            Weight = operands.Weight + group * operands.GroupBytes,
            X = x,
            SecondX = x + operands.TileStride,
            Bias = operands.Bias + output,
            Y = isPartial ? partial : target,
            YStride = (isPartial ? WeightLayout.GroupRows : operands.YStride) * sizeof(float),
            Count = operands.Records,
            LowHalves = 0x0F0F0F0F,
        };
        Call(kernel, &arguments);
        for (int row = 0; row < rows && isPartial; row++)
            new ReadOnlySpan<float>(partial + row * WeightLayout.GroupRows, count).CopyTo(new Span<float>(target + row * operands.YStride, count));
    }

    /// <summary>Computes rows [rowStart, rowEnd) of the outputs [32 * blockStart, 32 * blockEnd) of weights in bfloat16 pairs.</summary>
    public void RunPairs(in PanelOperands operands, int rowStart, int rowEnd, int blockStart, int blockEnd)
    {
        const int width = 2 * WeightLayout.GroupRows, line = WeightLayout.GroupRows * sizeof(uint);
        int count = (operands.Inputs + 1) / 2;
        float* sums = stackalloc float[PairTileCode.LargestTile * width];
        bool isPlain = operands.Y != null && operands.Residual == null && operands.Activated == null;
        for (int output = blockStart * width; output < Math.Min(blockEnd * width, operands.Outputs); output += width)
        {
            bool hasSecond = output + WeightLayout.GroupRows < operands.Outputs, isDirect = isPlain && output + width <= operands.Outputs;
            for (int row = rowStart; row < rowEnd; row += PairTileCode.LargestTile)
            {
                int rows = Math.Min(PairTileCode.LargestTile, rowEnd - row);
                TileArguments arguments = new()
                {
                    Weight = operands.Weight + output / (operands.IsWide ? width : WeightLayout.GroupRows) * operands.PanelBytes,
                    WeightDistance = !hasSecond ? 0 : operands.IsWide ? line : operands.PanelBytes,
                    WeightAdvance = operands.IsWide ? 2 * line : line,
                    X = (byte*)(operands.Rounded + row * operands.XStride),
                    XStride = operands.XStride * sizeof(ushort),
                    Y = isDirect ? operands.Y + row * operands.YStride + output : sums,
                    YStride = (isDirect ? operands.YStride : width) * sizeof(float),
                    Count = count,
                    Taps = operands.Taps,
                    TapAdvance = (operands.TapStride - 2 * count) * sizeof(ushort),
                };
                if (operands.Bias == null) new Span<float>(arguments.Y, width).Clear();
                else new ReadOnlySpan<float>(operands.Bias + output, width).CopyTo(new Span<float>(arguments.Y, width));
                Call(pairs[rows], &arguments);
                for (int i = 0; i < rows && !isDirect; i++)
                {
                    PanelEpilogue<Lanes512, Vector512<float>>.Store(operands, row + i, output, Vector512.Load(sums + i * width));
                    if (hasSecond) PanelEpilogue<Lanes512, Vector512<float>>.Store(operands, row + i, output + WeightLayout.GroupRows, Vector512.Load(sums + i * width + WeightLayout.GroupRows));
                }
            }
        }
    }

    // A few microseconds, in which a garbage collection may have to wait for this thread: cheaper than letting it know.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Call(byte* kernel, TileArguments* arguments) => ((delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)kernel)(arguments);

    private static string Name(WeightFormat format, int rows) => $"{format} {rows}";
}
