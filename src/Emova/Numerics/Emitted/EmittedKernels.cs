using System.Runtime.Intrinsics.X86;

namespace Emova.Numerics.Emitted;

/// <summary>
/// Kernels whose machine code is written at run time, for instructions that .NET does not offer as intrinsics: AVX-512 VNNI. They are
/// used where the processor has the instructions, the system lets memory become executable and each kernel gives the bits of the
/// intrinsics in a check at first use; otherwise, or with the environment variable EMOVA_EMITTED=0, they are absent.
/// </summary>
internal sealed unsafe class EmittedKernels
{
    private const int TileRows = QuantizedRows.TileRows;
    private const int LargestTile = 2 * TileRows;

    private readonly ExecutableMemory memory; // kept: it holds the code
    private readonly byte* int4Row, int4Four, int4Eight, int8Row, int8Four, int8Eight;

    private EmittedKernels(ExecutableMemory memory, Dictionary<(WeightFormat Format, int Rows), int> starts)
    {
        this.memory = memory;
        int4Row = memory.Pointer + starts[(WeightFormat.Int4, 1)];
        int4Four = memory.Pointer + starts[(WeightFormat.Int4, TileRows)];
        int4Eight = memory.Pointer + starts[(WeightFormat.Int4, LargestTile)];
        int8Row = memory.Pointer + starts[(WeightFormat.Int8, 1)];
        int8Four = memory.Pointer + starts[(WeightFormat.Int8, TileRows)];
        int8Eight = memory.Pointer + starts[(WeightFormat.Int8, LargestTile)];
    }

    /// <summary>The kernels of this process, or null.</summary>
    public static EmittedKernels? Instance { get; } = Choose(Environment.GetEnvironmentVariable("EMOVA_EMITTED"));

    /// <summary>Whether the processor has AVX-512 VNNI and the runtime may use AVX-512.</summary>
    public static bool IsSupported => Avx512BW.IsSupported && (X86Base.CpuId(7, 0).Ecx >> 11 & 1) != 0;

    /// <summary>The kernels, unless <paramref name="setting"/> is 0 or the processor cannot run them.</summary>
    public static EmittedKernels? Choose(string? setting) => setting == "0" || !IsSupported ? null : TryCreate(code => ExecutableMemory.TryCreate(code));

    /// <summary>Writes the kernels and checks them; null where memory is refused or a result differs.</summary>
    /// <param name="makeExecutable">Gives code a place where it can run, or null.</param>
    public static EmittedKernels? TryCreate(Func<byte[], ExecutableMemory?> makeExecutable)
    {
        Register argument = OperatingSystem.IsWindows() ? Register.Rcx : Register.Rdi;
        Dictionary<(WeightFormat Format, int Rows), int> starts = [];
        List<byte> code = [];
        foreach (WeightFormat format in (ReadOnlySpan<WeightFormat>)[WeightFormat.Int4, WeightFormat.Int8])
        {
            foreach (int rows in (ReadOnlySpan<int>)[1, TileRows, LargestTile])
            {
                code.AddRange(new byte[-code.Count & 63]); // each begins a cache line
                starts[(format, rows)] = code.Count;
                code.AddRange(IntegerTileCode.Build(format, rows, argument));
            }
        }

        if (makeExecutable([.. code]) is not { } memory)
            return null;
        EmittedKernels kernels = new(memory, starts);
        return KernelCheck.Passes(kernels) ? kernels : null;
    }

    /// <summary>Computes the tiles [tileStart, tileEnd) of the groups of 16 outputs [groupStart, groupEnd).</summary>
    public void Run(in QuantizedOperands operands, WeightFormat format, int tileStart, int tileEnd, int groupStart, int groupEnd)
    {
        bool isInt4 = format == WeightFormat.Int4;
        float* partial = stackalloc float[LargestTile * WeightLayout.GroupRows];
        for (int group = groupStart; group < groupEnd; group++)
        {
            int output = group * WeightLayout.GroupRows, count = Math.Min(WeightLayout.GroupRows, operands.Outputs - output);
            if (operands.Rows == 1)
            {
                Run(isInt4 ? int4Row : int8Row, operands, 1, 0, group, output, count, partial);
                continue;
            }

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
            Y = isPartial ? partial : target,
            YStride = (isPartial ? WeightLayout.GroupRows : operands.YStride) * sizeof(float),
            Count = operands.Records,
            LowHalves = 0x0F0F0F0F,
        };
        ReadOnlySpan<float> bias = new(operands.Bias + output, WeightLayout.GroupRows);
        for (int row = 0; row < tileRows; row++) bias.CopyTo(new Span<float>((byte*)arguments.Y + row * arguments.YStride, WeightLayout.GroupRows));
        // A few microseconds, in which a garbage collection may wait for this thread: cheaper than letting it know.
        ((delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)kernel)(&arguments);
        for (int row = 0; row < rows && isPartial; row++)
            new ReadOnlySpan<float>(partial + row * WeightLayout.GroupRows, count).CopyTo(new Span<float>(target + row * operands.YStride, count));
    }
}
