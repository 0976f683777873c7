using Emova.Numerics.Emitted;
using Xunit;

namespace Emova.Tests.Numerics.Emitted;

public sealed class EmittedKernelsTests
{
    [Fact]
    public void TheyExistWhereTheProcessorHasTheInstructionsUnlessSwitchedOff()
    {
        Assert.Equal(EmittedKernels.IsSupported, EmittedKernels.Choose(null) is not null);
        Assert.Null(EmittedKernels.Choose("0"));
    }

    [Fact]
    public void RefusedMemoryMeansNoKernels() => Assert.Null(EmittedKernels.TryCreate(_ => null));

    [Fact]
    public void KernelsWithWrongResultsAreNotUsed()
    {
        Assert.SkipUnless(EmittedKernels.IsSupported, "needs AVX-512 VNNI");
        int changed = 0;
        EmittedKernels? kernels = EmittedKernels.TryCreate(code =>
        {
            // vcvtdq2ps becomes vmovaps: the last integer sum is taken for a float.
            int at = code.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0x7C, 0x48, 0x5B]);
            if (at >= 0) (code[at + 2], changed) = (0x28, changed + 1);
            return ExecutableMemory.TryCreate(code);
        });
        Assert.Equal(1, changed);
        Assert.Null(kernels);
    }

    [Fact]
    public void TheOrderOfFieldsIsThatOfTheOffsets()
    {
        string[] fields = [nameof(TileArguments.Weight), nameof(TileArguments.X), nameof(TileArguments.SecondX), nameof(TileArguments.Y), nameof(TileArguments.YStride), nameof(TileArguments.Count), nameof(TileArguments.LowHalves)];
        Assert.Equal(Enumerable.Range(0, fields.Length).Select(i => i * sizeof(long)), fields.Select(TileArguments.OffsetOf));
    }
}
